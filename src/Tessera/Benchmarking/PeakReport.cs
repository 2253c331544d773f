
namespace Tessera.Benchmarking;

/// <summary>What matrix products reach on a machine: the fastest of several shapes.</summary>
/// <param name="Precision">The number format: <c>fp32</c> or <c>bf16</c>.</param>
/// <param name="Rate">The fastest shape's rate, FLOP/s.</param>
/// <param name="Fastest">The fastest shape.</param>
/// <param name="Shapes">Every shape that was tried.</param>
public sealed record PeakReport(string Precision, Measurement Rate, string Fastest, IReadOnlyList<PeakShape> Shapes);
