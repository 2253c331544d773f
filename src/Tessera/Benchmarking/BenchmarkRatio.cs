namespace Tessera.Benchmarking;

/// <summary>One figure of two reports.</summary>
/// <param name="Part">See <see cref="BenchmarkFigure.Part"/>.</param>
/// <param name="Name">See <see cref="BenchmarkFigure.Name"/>.</param>
/// <param name="Unit">See <see cref="BenchmarkFigure.Unit"/>.</param>
/// <param name="Before">The saved report's median.</param>
/// <param name="Now">This report's median.</param>
/// <param name="Ratio">Now over before; null where before is 0.</param>
public sealed record BenchmarkRatio(string Part, string Name, string Unit, double Before, double Now, double? Ratio);
