namespace Tessera.Figures;

/// <summary>One diagram of a <see cref="CurvesFigure"/>.</summary>
/// <param name="Title">Stands above it.</param>
/// <param name="XLabel">What is to the right, with its unit.</param>
/// <param name="YLabel">What is upwards, with its unit.</param>
/// <param name="Curves">The lines.</param>
public sealed record Panel(string Title, string XLabel, string YLabel, IReadOnlyList<Curve> Curves);
