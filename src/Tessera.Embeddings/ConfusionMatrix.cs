namespace Tessera.Embeddings;

/// <summary>Which classes were answered for which.</summary>
public sealed class ConfusionMatrix
{
    private readonly int[] counts; // (K, K), row by row: [label, answer]

    /// <summary>Takes counts; the memory is this object's from now on.</summary>
    /// <param name="classes">K.</param>
    /// <param name="counts">(K, K), row by row: how often each label had each answer.</param>
    /// <exception cref="ArgumentException">There are other numbers of counts than K².</exception>
    public ConfusionMatrix(int classes, int[] counts)
    {
        ArgumentNullException.ThrowIfNull(counts);
        if (counts.LongLength != (long)classes * classes) throw new ArgumentException($"{counts.Length} counts are not those of {classes} classes among each other.", nameof(counts));
        (Classes, this.counts) = (classes, counts);
    }

    /// <summary>K.</summary>
    public int Classes { get; }

    /// <summary>How often pictures of a class had an answer.</summary>
    public int this[int label, int answer] => counts[(label * Classes) + answer];

    /// <summary>How often pictures of a class were recognised.</summary>
    public Accuracy Of(int label) => new(this[label, label], Count(label));

    /// <summary>Pairs of classes by the mean of the two shares in which they were taken for each other, the most confused first; those that never were are left out.</summary>
    /// <remarks>Shares, and not counts, so that a class of many pictures does not stand before others for that alone.</remarks>
    public IReadOnlyList<ConfusedPair> Pairs()
    {
        var pairs = new List<ConfusedPair>();
        for (var first = 0; first < Classes; first++)
        {
            for (var second = first + 1; second < Classes; second++)
            {
                if (this[first, second] + this[second, first] > 0) pairs.Add(new ConfusedPair(first, second, Share(first, second), Share(second, first)));
            }
        }
        return [.. pairs.OrderByDescending(pair => pair.FirstAsSecond + pair.SecondAsFirst)]; // stable: of equals the first classes first
    }

    /// <summary>The classes that are most confused, those that are confused with each other next to each other.</summary>
    /// <param name="count">How many at most.</param>
    public IReadOnlyList<int> MostConfused(int count)
    {
        var groups = new List<List<int>>(); // pairs join what they have a class in common with, while there is room
        foreach (var pair in Pairs())
        {
            var (first, second) = (groups.Find(g => g.Contains(pair.First)), groups.Find(g => g.Contains(pair.Second)));
            var more = (first is null ? 1 : 0) + (second is null ? 1 : 0);
            if (groups.Sum(g => g.Count) + more > count) continue;
            if (first is null && second is null) groups.Add([pair.First, pair.Second]);
            else if (first is null) second!.Add(pair.First);
            else if (second is null) first.Add(pair.Second);
        }
        return [.. groups.SelectMany(g => g)];
    }

    /// <summary>The share of a class's pictures that had an answer, 0 to 1; 0 where it has none.</summary>
    public double Share(int label, int answer) => Count(label) is var all and > 0 ? (double)this[label, answer] / all : 0;

    private int Count(int label)
    {
        var count = 0;
        for (var answer = 0; answer < Classes; answer++) count += this[label, answer];
        return count;
    }
}

/// <summary>Two classes that were taken for each other.</summary>
/// <param name="First">A class.</param>
/// <param name="Second">Another, with a larger number.</param>
/// <param name="FirstAsSecond">The share of the first's pictures that were taken for the second's, 0 to 1.</param>
/// <param name="SecondAsFirst">The share of the second's pictures that were taken for the first's, 0 to 1.</param>
public sealed record ConfusedPair(int First, int Second, double FirstAsSecond, double SecondAsFirst);
