using ScottPlot;

namespace Tessera.Figures;

/// <summary>Which colour a curve has: those that learn from Okabe and Ito's palette in their order, references grey.</summary>
internal static class CurveColours
{
    // The palette without its yellow and sky blue, which are too pale for a line on white, and without black.
    private static readonly Color[] Palette =
        [.. new[] { "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00" }.Select(Color.FromHex)];

    private static readonly Color Reference = Color.FromHex("#6B6B6B");

    public static IEnumerable<(Curve Curve, Color Colour)> Of(Panel panel)
    {
        var next = 0;
        foreach (var curve in panel.Curves)
            yield return (curve, curve.Dashed ? Reference : Palette[next++ % Palette.Length]);
    }
}
