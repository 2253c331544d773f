namespace Tessera.Figures;

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
