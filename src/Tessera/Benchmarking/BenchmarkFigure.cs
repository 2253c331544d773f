namespace Tessera.Benchmarking;

/// <summary>One line of a report.</summary>
/// <param name="Part">The part it belongs to, for people.</param>
/// <param name="Name">What was measured, for people; unique in a part.</param>
/// <param name="Unit"><c>FLOP/s</c>, <c>B/s</c>, <c>images/s</c>, <c>s</c>, <c>B</c>, <c>FLOP</c> or <c>share</c> (0 to 1).</param>
/// <param name="Value">What it came to.</param>
public sealed record BenchmarkFigure(string Part, string Name, string Unit, Measurement Value);
