using System.Numerics.Tensors;

namespace Tessera.Embeddings;

/// <summary>k-means by direction: each vector belongs to the centre that it is most similar to, each centre is the mean direction of its vectors.</summary>
/// <remarks>
/// Dhillon and Modha 2001, spherical k-means; begun as in k-means++ (Arthur and Vassilvitskii 2007), where the chance of the next centre is the squared distance to
/// the nearest one so far. The same seed gives the same clusters, whatever the number of threads.
/// </remarks>
public sealed class Clusters
{
    private Clusters(int[] of, float[] similarities, LabelledVectors centres, bool isSettled) =>
        (Of, Similarities, Centres, IsSettled) = (of, similarities, centres, isSettled);

    /// <summary>(N): each vector's cluster.</summary>
    public IReadOnlyList<int> Of { get; }

    /// <summary>(N): each vector's similarity to its centre.</summary>
    public IReadOnlyList<float> Similarities { get; }

    /// <summary>(K, D), of length 1.</summary>
    public LabelledVectors Centres { get; }

    /// <summary>Whether no vector would change its cluster any more.</summary>
    public bool IsSettled { get; }

    /// <summary>The vectors of a cluster, those most like its centre first.</summary>
    public IReadOnlyList<int> Members(int cluster) =>
        [.. Enumerable.Range(0, Of.Count).Where(row => Of[row] == cluster).OrderByDescending(row => Similarities[row]).ThenBy(row => row)];

    /// <summary>Finds clusters.</summary>
    /// <param name="vectors">(N, D)</param>
    /// <param name="count">K, at most N.</param>
    /// <param name="seed">The same seed gives the same clusters.</param>
    /// <param name="mostRounds">After so many the search ends, settled or not.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="ArgumentOutOfRangeException">K is less than 1 or more than N.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static Clusters Find(LabelledVectors vectors, int count, int seed, int mostRounds = 100, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, vectors.Count);
        var centres = Begin(vectors, count, seed, cancellation);
        var of = new int[vectors.Count];
        of.AsSpan().Fill(-1);
        for (var round = 0; ; round++)
        {
            var near = NearestNeighbours.Find(vectors, centres, 1, cancellation: cancellation);
            var hasChanged = false;
            var similarities = new float[vectors.Count];
            for (var row = 0; row < of.Length; row++)
            {
                var cluster = near.Indices(row)[0];
                hasChanged |= of[row] != cluster;
                (of[row], similarities[row]) = (cluster, near.Similarities(row)[0]);
            }
            if (!hasChanged || round == mostRounds) return new Clusters(of, similarities, centres, !hasChanged);
            centres = Means(vectors, of, similarities, count);
        }
    }

    private static LabelledVectors Begin(LabelledVectors vectors, int count, int seed, CancellationToken cancellation)
    {
        var random = new Random(seed);
        var (rows, distances) = (new List<int> { random.Next(vectors.Count) }, new float[vectors.Count]);
        distances.AsSpan().Fill(float.PositiveInfinity);
        while (rows.Count < count)
        {
            cancellation.ThrowIfCancellationRequested();
            Similarity.Approach(vectors, rows[^1], distances);
            rows.Add(Draw(distances, random));
        }
        var values = new float[count * vectors.Width];
        for (var i = 0; i < count; i++) Similarity.Direction(vectors[rows[i]], values.AsSpan(i * vectors.Width, vectors.Width));
        return new LabelledVectors(values, vectors.Width, [.. Enumerable.Range(0, count)]);
    }

    /// <summary>A row by chance, in proportion to its distance: 1 less the cosine is half the squared distance of vectors of length 1.</summary>
    private static int Draw(float[] distances, Random random)
    {
        var left = random.NextDouble() * distances.Sum(d => (double)d);
        for (var row = 0; row < distances.Length; row++)
        {
            left -= distances[row];
            if (left < 0) return row;
        }
        return Array.FindIndex(distances, d => d > 0) is >= 0 and var any ? any : random.Next(distances.Length); // all are alike
    }

    private static LabelledVectors Means(LabelledVectors vectors, int[] of, float[] similarities, int count)
    {
        var width = vectors.Width;
        var (sums, sizes, direction) = (new double[count * width], new int[count], new float[width]);
        for (var row = 0; row < of.Length; row++)
        {
            sizes[of[row]]++;
            Similarity.Direction(vectors[row], direction);
            var sum = sums.AsSpan(of[row] * width, width);
            for (var d = 0; d < width; d++) sum[d] += direction[d];
        }
        // A cluster that lost all its vectors begins anew from the one that its own centre fits worst.
        var worst = new Queue<int>(sizes.Contains(0) ? Enumerable.Range(0, of.Length).OrderBy(row => similarities[row]).ThenBy(row => row).Take(count) : []);
        var values = new float[count * width];
        for (var cluster = 0; cluster < count; cluster++)
        {
            var centre = values.AsSpan(cluster * width, width);
            if (sizes[cluster] == 0) Similarity.Direction(vectors[worst.Dequeue()], centre);
            else
            {
                var sum = sums.AsSpan(cluster * width, width);
                var length = Math.Sqrt(TensorPrimitives.SumOfSquares<double>(sum));
                for (var d = 0; d < width; d++) centre[d] = length > 0 ? (float)(sum[d] / length) : 0;
            }
        }
        return new LabelledVectors(values, width, [.. Enumerable.Range(0, count)]);
    }
}
