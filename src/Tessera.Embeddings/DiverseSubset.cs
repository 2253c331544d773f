namespace Tessera.Embeddings;

/// <summary>Vectors that stand for all: each next one is the farthest from those taken so far.</summary>
/// <remarks>
/// Gonzalez 1985; as core-set selection in active learning Sener and Savarese 2018 (arXiv:1708.00489). The greatest distance that is left is at most twice the
/// smallest possible. Outliers come early: they are far from all.
/// </remarks>
public static class DiverseSubset
{
    /// <summary>Takes vectors, the most telling first.</summary>
    /// <param name="vectors">(N, D)</param>
    /// <param name="count">How many; where there are fewer left, those.</param>
    /// <param name="taken">Rows that are taken already, such as those with labels; null: none, and the first is the one most like the mean direction.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static IReadOnlyList<Representative> Take(LabelledVectors vectors, int count, IReadOnlyList<int>? taken = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var (distances, isTaken) = (new float[vectors.Count], new bool[vectors.Count]);
        distances.AsSpan().Fill(float.PositiveInfinity);
        foreach (var row in taken ?? [])
        {
            isTaken[row] = true;
            Similarity.Approach(vectors, row, distances);
        }
        var chosen = new List<Representative>();
        while (chosen.Count < count && chosen.Count + (taken?.Count ?? 0) < vectors.Count)
        {
            cancellation.ThrowIfCancellationRequested();
            var row = chosen.Count == 0 && taken is null or { Count: 0 } ? Middle(vectors) : Farthest(distances, isTaken);
            chosen.Add(new Representative(row, distances[row]));
            isTaken[row] = true;
            Similarity.Approach(vectors, row, distances);
        }
        return chosen;
    }

    private static int Farthest(float[] distances, bool[] isTaken)
    {
        var farthest = -1;
        for (var row = 0; row < distances.Length; row++)
        {
            if (!isTaken[row] && (farthest < 0 || distances[row] > distances[farthest])) farthest = row;
        }
        return farthest;
    }

    private static int Middle(LabelledVectors vectors)
    {
        var (sum, direction) = (new double[vectors.Width], new float[vectors.Width]);
        for (var row = 0; row < vectors.Count; row++)
        {
            Similarity.Direction(vectors[row], direction);
            for (var d = 0; d < sum.Length; d++) sum[d] += direction[d];
        }
        var mean = new LabelledVectors([.. sum.Select(s => (float)s)], vectors.Width, [-1]);
        return NearestNeighbours.Find(mean, vectors, 1).Indices(0)[0];
    }
}

/// <summary>A vector that stands for others.</summary>
/// <param name="Row">Which.</param>
/// <param name="Distance">How far it was from those taken before it: 1 less the cosine; infinite for the first.</param>
public sealed record Representative(int Row, float Distance);
