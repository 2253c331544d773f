namespace Tessera.Benchmarking;

/// <summary>How far a benchmark has come.</summary>
/// <param name="Doing">What is being measured, for people.</param>
/// <param name="Round">The round that begins, from 1.</param>
/// <param name="Rounds">Rounds of this measurement.</param>
public sealed record BenchmarkProgress(string Doing, int Round, int Rounds);
