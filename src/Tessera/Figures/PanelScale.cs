using ScottPlot;

namespace Tessera.Figures;

/// <summary>A panel's limits, and the way from values to heights: linear, or the decimal logarithm.</summary>
internal sealed class PanelScale
{
    private const double Largest = 1e100; // beyond it, limits and margins would no longer be finite
    private readonly bool logarithmic;

    private PanelScale(IReadOnlyList<Coordinates> places, IReadOnlyList<double> values)
    {
        WholePlaces = places.All(place => place.X == Math.Floor(place.X));
        (Left, Right) = Widened(places.Min(place => place.X), places.Max(place => place.X), .02, atLeast: WholePlaces ? .5 : 1e-9);
        var (smallest, largest) = (values.Min(), values.Max());
        logarithmic = smallest > 0 && largest / smallest >= CurvesFigure.LogarithmicFrom;
        (Bottom, Top) = Widened(Height(smallest), Height(largest), .06, atLeast: Math.Max(1e-9, Math.Abs(Height(smallest)) * .01));
    }

    public double Left { get; }
    public double Right { get; }
    public double Bottom { get; }
    public double Top { get; }

    /// <summary>Whether all places are whole numbers, such as steps or epochs.</summary>
    public bool WholePlaces { get; }

    /// <summary>The scale of one of a figure's panels.</summary>
    /// <param name="panel">The panel.</param>
    /// <param name="figure">
    /// All of them. Those of one unit to the right have one scale to the right, so that what happened at one time stands at one place.
    /// </param>
    /// <returns>Null where the panel has no finite value.</returns>
    public static PanelScale? Of(Panel panel, IEnumerable<Panel> figure)
    {
        var all = panel.Curves.SelectMany(Finite).ToArray();
        if (all.Length == 0) return null;
        var places = figure.Where(other => other.XLabel == panel.XLabel).SelectMany(Places);
        return new PanelScale([.. places], [.. all.Select(point => point.Y)]);
    }

    private static Coordinates[] Places(Panel panel)
    {
        var learning = panel.Curves.Where(curve => !curve.Dashed).SelectMany(Finite).ToArray();
        return learning.Length > 0 ? learning : [.. panel.Curves.SelectMany(Finite)];
    }

    /// <summary>A curve's finite points as they are drawn.</summary>
    public IReadOnlyList<Coordinates> Points(Curve curve) => [.. Finite(curve).Select(point => new Coordinates(point.X, Height(point.Y)))];

    /// <summary>The course of a curve's points: their moving mean, where they are many, else themselves.</summary>
    /// <remarks>It is taken of the heights: on a logarithmic axis it is the geometric mean, and runs through the middle.</remarks>
    public IReadOnlyList<Coordinates> Course(Curve curve)
    {
        var points = Points(curve);
        if (curve.Dashed || !Smoothing.IsNoise(points.Count)) return points;
        var means = Smoothing.MovingMean([.. points.Select(point => point.Y)]);
        return [.. points.Select((point, index) => new Coordinates(point.X, means[index]))];
    }

    /// <summary>From a height back to the value that has it.</summary>
    public double Value(double height) => logarithmic ? Math.Pow(10, height) : height;

    /// <summary>The marks of the upward axis; on a logarithmic one at 1, 2 and 5 times the powers of ten.</summary>
    public ITickGenerator Ticks(Func<double, string> format)
    {
        if (!logarithmic) return new ScottPlot.TickGenerators.NumericAutomatic { LabelFormatter = format };
        var ticks = new ScottPlot.TickGenerators.NumericManual();
        var steps = Top - Bottom < 3 ? new[] { 1, 2, 5 } : [1];
        for (var power = (int)Math.Floor(Bottom); power <= Top; power++)
        {
            foreach (var value in steps.Select(step => step * Math.Pow(10, power)))
                ticks.AddMajor(Height(value), format(value));
        }
        return ticks;
    }

    private double Height(double value) => logarithmic ? Math.Log10(value) : value;

    private static IEnumerable<Coordinates> Finite(Curve curve) =>
        curve.X.Zip(curve.Y, (x, y) => new Coordinates(x, y)).Where(point => Math.Abs(point.X) < Largest && Math.Abs(point.Y) < Largest);

    private static (double Low, double High) Widened(double low, double high, double part, double atLeast)
    {
        var margin = Math.Max((high - low) * part, high > low ? 0 : atLeast);
        return (low - margin, high + margin);
    }
}

/// <summary>The course of a noisy curve.</summary>
internal static class Smoothing
{
    private const int NoiseFrom = 100; // points
    private const int PartsOfTheWhole = 50;

    /// <summary>Whether a curve of so many points is drawn with its moving mean.</summary>
    public static bool IsNoise(int points) => points >= NoiseFrom;

    /// <summary>
    /// The mean of each value and its neighbours within a fiftieth of the whole. At the beginning, where a loss falls steeply, the
    /// window grows with the place; at the end it has only what came before.
    /// </summary>
    public static double[] MovingMean(IReadOnlyList<double> values)
    {
        var sums = new double[values.Count + 1];
        for (var index = 0; index < values.Count; index++) sums[index + 1] = sums[index] + values[index];
        var means = new double[values.Count];
        for (var index = 0; index < values.Count; index++)
        {
            var reach = Math.Min(values.Count / PartsOfTheWhole, index / 4);
            var (from, to) = (index - reach, Math.Min(index + reach + 1, values.Count));
            means[index] = (sums[to] - sums[from]) / (to - from);
        }
        return means;
    }
}
