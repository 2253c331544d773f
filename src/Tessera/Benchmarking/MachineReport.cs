namespace Tessera.Benchmarking;

/// <summary>A machine's own limits, in the process and with the threads that train.</summary>
/// <param name="Fp32">Matrix products of 32-bit factors; on a GPU, TF32 where the step uses it.</param>
/// <param name="Bf16">Matrix products of bf16 factors.</param>
/// <param name="Bandwidth">
/// Copying a buffer far larger than the caches, B/s: bytes read plus bytes written. What the hardware reads besides, to fill the cache lines
/// that are written, is not counted, as in STREAM.
/// </param>
public sealed record MachineReport(PeakReport Fp32, PeakReport Bf16, Measurement Bandwidth);
