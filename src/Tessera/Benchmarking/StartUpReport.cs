namespace Tessera.Benchmarking;

/// <summary>How long the process took to its first training step, once, cold. Seconds since the process began.</summary>
/// <param name="Data">When the pictures were there, packed, opened, or measured to be streamed.</param>
/// <param name="Model">When the model, the optimiser and the loader were there.</param>
/// <param name="FirstStep">When the first optimiser step had ended.</param>
/// <param name="Packed">Whether the pictures had to be packed; false: they had been before, or are streamed.</param>
public sealed record StartUpReport(double Data, double Model, double FirstStep, bool Packed);
