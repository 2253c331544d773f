using System.Globalization;
using ScottPlot;
using SkiaSharp;

namespace Tessera.Figures;

/// <summary>Training curves as a picture: panels one above the other, each line named at its right end.</summary>
/// <remarks>
/// A line of many points is noise around a course: it is drawn pale, and its moving mean over it. An axis is logarithmic where all
/// values are positive and the largest is at least <see cref="LogarithmicFrom"/> times the smallest. Panels whose axes to the right have one unit have one scale there. The colours are those of Okabe
/// and Ito (Color Universal Design, 2008), told apart with any colour vision; references are grey and dashed.
/// </remarks>
public static class CurvesFigure
{
    /// <summary>Largest value over smallest from which an upward axis is logarithmic.</summary>
    public const double LogarithmicFrom = 30;

    private const int Width = 960, PanelHeight = 340; // before magnification
    private const float Magnification = 1.5f;
    private const float TitleSize = 16, LabelSize = 12.5f;
    private const float Left = 72, Top = 64, Bottom = 52;
    private static readonly SKColor Ink = new(0x22, 0x22, 0x22);
    private static readonly SKColor PaleInk = new(0x66, 0x66, 0x66);

    /// <summary>Writes the panels as a PNG file, which is replaced only when the new one is whole.</summary>
    /// <param name="file">Where; its folder exists.</param>
    /// <param name="panels">See <see cref="Encode"/>.</param>
    /// <exception cref="ArgumentException">See <see cref="Encode"/>.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Save(string file, IReadOnlyList<Panel> panels)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        PngFile.Save(file, Encode(panels));
    }

    /// <summary>Draws the panels.</summary>
    /// <param name="panels">At least one. One without values yet is drawn empty, and says so.</param>
    /// <returns>The bytes of a PNG file.</returns>
    /// <exception cref="ArgumentException">No panel, or a curve whose X and Y differ in length.</exception>
    public static byte[] Encode(IReadOnlyList<Panel> panels)
    {
        if (panels.Count == 0) throw new ArgumentException("A figure needs at least one panel.", nameof(panels));
        foreach (var curve in panels.SelectMany(panel => panel.Curves))
        {
            if (curve.X.Count != curve.Y.Count)
                throw new ArgumentException($"Curve '{curve.Name}' has {curve.X.Count} places and {curve.Y.Count} values.", nameof(panels));
        }
        var (width, height) = ((int)(Magnification * Width), (int)(Magnification * PanelHeight) * panels.Count);
        return PngFile.Encode(width, height, canvas =>
        {
            canvas.Scale(Magnification);
            var right = RightPadding(panels);
            for (var index = 0; index < panels.Count; index++)
            {
                canvas.Save();
                canvas.ClipRect(SKRect.Create(0, index * PanelHeight, Width, PanelHeight)); // ScottPlot clears all it can reach
                Draw(canvas, panels[index], panels, index * PanelHeight, right);
                canvas.Restore();
            }
        });
    }

    /// <summary>Draws one panel as SVG, for a page: its text is text.</summary>
    /// <param name="panel">The panel.</param>
    /// <returns>An SVG document of <see cref="Width"/> × <see cref="PanelHeight"/>, in which the figures' font is named and not carried.</returns>
    public static string EncodeSvg(Panel panel)
    {
        ArgumentNullException.ThrowIfNull(panel);
        return EncodeSvg(panel, [panel]);
    }

    /// <summary>Draws one of several panels that a page shows below each other, on the scale that they share.</summary>
    internal static string EncodeSvg(Panel panel, IReadOnlyList<Panel> panels)
    {
        using var stream = new MemoryStream();
        using (var canvas = SKSvgCanvas.Create(SKRect.Create(Width, PanelHeight), stream)) Draw(canvas, panel, panels, 0, RightPadding(panels));
        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }

    /// <summary>Room for the widest end label of all panels, so that they end at the same place.</summary>
    private static float RightPadding(IReadOnlyList<Panel> panels)
    {
        using var text = new FigureText(LabelSize);
        return 28 + panels.Max(panel => PanelScale.Of(panel, panels) is { } scale ? EndLabels.Of(panel, scale).Width(text) : 0);
    }

    private static void Draw(SKCanvas canvas, Panel panel, IReadOnlyList<Panel> figure, float top, float right)
    {
        using var titleText = new FigureText(TitleSize);
        using var labelText = new FigureText(LabelSize);
        var scale = PanelScale.Of(panel, figure);
        if (scale is null)
        {
            labelText.DrawLeft(canvas, "no values yet", Left, top + Top + LabelSize, PaleInk);
        }
        else
        {
            using var plot = Plot(panel, scale, right);
            plot.Render(canvas, new PixelRect(0, Width, top + PanelHeight, top));
            EndLabels.Of(panel, scale).Draw(canvas, labelText, Width - right, y => plot.GetPixel(new Coordinates(scale.Right, y)).Y);
        }
        titleText.DrawLeft(canvas, panel.Title, Left, top + 14, Ink);
        labelText.DrawLeft(canvas, panel.YLabel, Left, top + 38, PaleInk);
    }

    private static Plot Plot(Panel panel, PanelScale scale, float right)
    {
        var plot = new Plot();
        plot.Font.Set(FigureFont.Typeface.FamilyName);
        plot.Layout.Fixed(new PixelPadding(Left, right, Bottom, Top));
        foreach (var (curve, colour) in CurveColours.Of(panel)) Add(plot, curve, colour, scale);
        plot.Axes.SetLimits(scale.Left, scale.Right, scale.Bottom, scale.Top);

        plot.XLabel(panel.XLabel, LabelSize);
        plot.Axes.Bottom.Label.Bold = false;
        plot.Axes.Color(Color.FromSKColor(PaleInk));
        foreach (var axis in plot.Axes.GetAxes())
        {
            axis.TickLabelStyle.FontSize = LabelSize;
            axis.FrameLineStyle.IsVisible = axis == plot.Axes.Bottom;
            axis.MajorTickStyle.Length = axis == plot.Axes.Bottom ? 4 : 0;
            axis.MinorTickStyle.Length = 0;
        }
        plot.Axes.Left.TickLabelStyle.OffsetY = 3; // ScottPlot counts the font's ascent above the digits as part of their height
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericAutomatic
        {
            IntegerTicksOnly = scale.WholePlaces,
            TickDensity = .6,
            LabelFormatter = Number,
        };
        plot.Axes.Left.TickGenerator = scale.Ticks(Number);
        plot.Grid.MajorLineColor = Colors.Black.WithAlpha(.09);
        plot.Grid.XAxisStyle.IsVisible = false;
        return plot;
    }

    private static void Add(Plot plot, Curve curve, Color colour, PanelScale scale)
    {
        var points = scale.Points(curve);
        if (points.Count == 0) return;
        if (curve.Dashed)
        {
            var constant = points.All(point => point.Y == points[0].Y);
            var reference = constant ? [new(scale.Left, points[0].Y), new(scale.Right, points[0].Y)] : points;
            Line(plot, reference, colour, 1.5f).LinePattern = LinePattern.Dashed;
        }
        else if (Smoothing.IsNoise(points.Count))
        {
            Line(plot, points, colour.WithAlpha(.25), 1);
            Line(plot, scale.Course(curve), colour, 2);
        }
        else
        {
            Line(plot, points, colour, 2).MarkerSize = points.Count <= 30 ? 6 : 0;
        }
    }

    private static ScottPlot.Plottables.Scatter Line(Plot plot, IReadOnlyList<Coordinates> points, Color colour, float width)
    {
        var line = plot.Add.ScatterLine(points.ToArray(), colour);
        line.LineWidth = width;
        return line;
    }

    /// <summary>An axis number: thousands apart from 10,000 on, small ones with an exponent, the same in every culture.</summary>
    internal static string Number(double value)
    {
        var size = Math.Abs(value);
        var format = size >= 10_000 ? "#,0" : size is 0 or >= 1e-4 ? "0.######" : "0.###e0";
        return value.ToString(format, CultureInfo.InvariantCulture);
    }
}

/// <summary>One diagram of a <see cref="CurvesFigure"/>.</summary>
/// <param name="Title">Stands above it.</param>
/// <param name="XLabel">What is to the right, with its unit.</param>
/// <param name="YLabel">What is upwards, with its unit.</param>
/// <param name="Curves">The lines.</param>
public sealed record Panel(string Title, string XLabel, string YLabel, IReadOnlyList<Curve> Curves);

/// <summary>A named line in a <see cref="Panel"/>.</summary>
/// <param name="Name">Written at the line's right end.</param>
/// <param name="X">Places, ascending.</param>
/// <param name="Y">Values, as many as <paramref name="X"/>; those that are not finite, or beyond 10^100, are left out.</param>
/// <param name="Dashed">A reference, such as a baseline: dashed and grey, across the whole panel where its value is constant.</param>
public sealed record Curve(string Name, IReadOnlyList<double> X, IReadOnlyList<double> Y, bool Dashed = false);

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
