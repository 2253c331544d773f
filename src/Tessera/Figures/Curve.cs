namespace Tessera.Figures;

/// <summary>A named line in a <see cref="Panel"/>.</summary>
/// <param name="Name">Written at the line's right end.</param>
/// <param name="X">Places, ascending.</param>
/// <param name="Y">Values, as many as <paramref name="X"/>; those that are not finite, or beyond 10^100, are left out.</param>
/// <param name="Dashed">A reference, such as a baseline: dashed and grey, across the whole panel where its value is constant.</param>
public sealed record Curve(string Name, IReadOnlyList<double> X, IReadOnlyList<double> Y, bool Dashed = false);
