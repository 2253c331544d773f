namespace Tessera.Embeddings;

/// <summary>Classifies by a weighted vote of the nearest neighbours: what vectors are worth as they are, with nothing trained on them.</summary>
/// <remarks>
/// Wu et al. 2018 (arXiv:1805.01978), section 3.4: a neighbour of similarity s votes for its class with exp(s / temperature). Of classes with equal votes
/// the one of the nearer neighbour comes first. A class that no neighbour votes for is never an answer.
/// </remarks>
public static class KnnClassifier
{
    /// <summary>Wu et al.'s temperature, and DINO's (arXiv:2104.14294).</summary>
    public const double Temperature = 0.07;

    /// <summary>DINO's number of neighbours.</summary>
    public const int Standard = 20;

    /// <summary>Numbers of neighbours that are worth comparing: few ask for vectors that are exact, many for classes that are round.</summary>
    public static IReadOnlyList<int> Grid { get; } = [1, 5, 10, Standard, 50, 100, 200];

    /// <summary>How often the vote is right, for several numbers of neighbours from one search.</summary>
    /// <param name="neighbours">The neighbours of each query. Where there are fewer than a number asks for, all vote.</param>
    /// <param name="bankLabels">(N): the bank's classes; a picture with -1 has no vote.</param>
    /// <param name="queryLabels">(Q): the true classes; a query with -1 is left out.</param>
    /// <param name="counts">Numbers of neighbours, ascending.</param>
    /// <param name="temperature">How much nearer neighbours count for more: the smaller, the more.</param>
    /// <returns>In the order of <paramref name="counts"/>.</returns>
    /// <exception cref="ArgumentException">There are other numbers of labels than of queries, or the counts do not ascend from 1.</exception>
    public static IReadOnlyList<KnnAccuracy> Evaluate(
        Neighbours neighbours, ReadOnlySpan<int> bankLabels, ReadOnlySpan<int> queryLabels, IReadOnlyList<int> counts, double temperature = Temperature)
    {
        ArgumentNullException.ThrowIfNull(neighbours);
        ArgumentNullException.ThrowIfNull(counts);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(temperature, 0);
        if (queryLabels.Length != neighbours.Queries) throw new ArgumentException($"{queryLabels.Length} labels are not those of {neighbours.Queries} queries.", nameof(queryLabels));
        if (counts.Prepend(0).Zip(counts).Any(pair => pair.Second <= pair.First)) throw new ArgumentException("Numbers of neighbours ascend from 1.", nameof(counts));

        var votes = new Votes(Largest(bankLabels) + 1);
        var (first, five) = (new int[counts.Count], new int[counts.Count]);
        var asked = 0;
        for (var query = 0; query < neighbours.Queries; query++)
        {
            if (queryLabels[query] < 0) continue;
            asked++;
            votes.Clear();
            var (indices, similarities) = (neighbours.Indices(query).ToArray(), neighbours.Similarities(query).ToArray());
            var cast = 0;
            for (var i = 0; i < counts.Count; i++)
            {
                for (; cast < Math.Min(counts[i], indices.Length); cast++)
                    votes.Cast(bankLabels[indices[cast]], Math.Exp((similarities[cast] - similarities[0]) / temperature)); // the nearest counts 1: no temperature overflows
                var rank = votes.RankOf(queryLabels[query]);
                if (rank < 1) first[i]++;
                if (rank < 5) five[i]++;
            }
        }
        return [.. counts.Select((count, i) => new KnnAccuracy(count, new Accuracy(first[i], asked), new Accuracy(five[i], asked)))];
    }

    private static int Largest(ReadOnlySpan<int> labels)
    {
        var largest = -1;
        foreach (var label in labels) largest = Math.Max(largest, label);
        return largest;
    }

    /// <summary>The votes for one query.</summary>
    private sealed class Votes(int classes)
    {
        private readonly double[] sums = new double[classes];
        private readonly List<int> seen = []; // classes with a vote, the nearest neighbour's first

        public void Clear()
        {
            foreach (var label in seen) sums[label] = 0;
            seen.Clear();
        }

        public void Cast(int label, double vote)
        {
            if (label < 0) return;
            if (!seen.Contains(label)) seen.Add(label);
            sums[label] += vote;
        }

        /// <summary>How many classes come before that one.</summary>
        public int RankOf(int label)
        {
            var place = seen.IndexOf(label);
            if (place < 0) return int.MaxValue;
            var before = 0;
            for (var i = 0; i < seen.Count; i++)
            {
                if (sums[seen[i]] > sums[label] || sums[seen[i]] == sums[label] && i < place) before++;
            }
            return before;
        }
    }
}

/// <summary>How often the vote of so many neighbours is right.</summary>
/// <param name="Neighbours">How many vote.</param>
/// <param name="Top1">How often the class with the most votes is the true one.</param>
/// <param name="Top5">How often the true class is among the five with the most votes.</param>
public sealed record KnnAccuracy(int Neighbours, Accuracy Top1, Accuracy Top5);
