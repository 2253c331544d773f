namespace Tessera.Benchmarking;

/// <summary>What several rounds of one measurement gave, in the unit of whatever was measured.</summary>
/// <param name="Median">The middle round; of an even number of rounds the mean of the middle two.</param>
/// <param name="Lowest">The lowest round.</param>
/// <param name="Highest">The highest round.</param>
/// <param name="Rounds">How many rounds there were, at least 1.</param>
public sealed record Measurement(double Median, double Lowest, double Highest, int Rounds)
{
    /// <summary>Sums rounds up.</summary>
    /// <exception cref="ArgumentException">There is no round.</exception>
    public static Measurement Of(IEnumerable<double> rounds)
    {
        double[] sorted = [.. rounds.Order()];
        if (sorted.Length == 0) throw new ArgumentException("A measurement needs at least one round.", nameof(rounds));
        var median = (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
        return new Measurement(median, sorted[0], sorted[^1], sorted.Length);
    }

    /// <summary>A figure that was taken once, such as the time to the first step.</summary>
    public static Measurement Once(double value) => new(value, value, value, 1);

    /// <summary>The same in another unit.</summary>
    internal Measurement Times(double factor) => new(Median * factor, Lowest * factor, Highest * factor, Rounds);
}
