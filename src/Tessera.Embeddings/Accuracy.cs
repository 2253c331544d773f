using System.Text.Json.Serialization;

namespace Tessera.Embeddings;

/// <summary>How often an answer was right.</summary>
/// <param name="Correct">Right answers.</param>
/// <param name="Count">All answers.</param>
public sealed record Accuracy(int Correct, int Count)
{
    private const double Deviations = 1.959963984540054; // of a normal distribution, within which 95 % of it lie

    /// <summary>Their share, 0 to 1.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double Share => Count == 0 ? 0 : (double)Correct / Count;

    /// <summary>The lower end of <see cref="Share"/>'s 95 % interval.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double Low => Interval.Low;

    /// <summary>The upper end of <see cref="Share"/>'s 95 % interval.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double High => Interval.High;

    /// <summary>Wilson's interval (1927), which holds for shares near 0 too, and says what the number of pictures alone leaves open.</summary>
    private (double Low, double High) Interval
    {
        get
        {
            if (Count == 0) return (0, 1);
            var (z2, p) = (Deviations * Deviations, Share);
            var centre = (p + z2 / (2 * Count)) / (1 + z2 / Count);
            var reach = Deviations / (1 + z2 / Count) * Math.Sqrt(p * (1 - p) / Count + z2 / (4.0 * Count * Count));
            return (Math.Max(0, centre - reach), Math.Min(1, centre + reach));
        }
    }
}
