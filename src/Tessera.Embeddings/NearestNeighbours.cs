using System.Numerics.Tensors;

namespace Tessera.Embeddings;

/// <summary>Exact nearest neighbours by cosine similarity.</summary>
/// <remarks>
/// <para>A vector without a direction, of zeros alone or with a value that is not finite, has the similarity 0 to every other. Of neighbours that
/// are equally near, the one with the smaller index comes first. The result is the same whatever the number of threads.</para>
/// <para>Similarities are made by a matrix product in small tiles and looked at while they are in a register: there is never a matrix of all of
/// them. Memory beyond the result is a copy of the queries and a quarter of a megabyte a thread.</para>
/// </remarks>
public static class NearestNeighbours
{
    private const int LargestChunk = 4096; // queries
    private const int BlockValues = 1 << 16; // of the bank, that stay in a core's second cache

    /// <summary>Finds the neighbours of vectors in a bank of others.</summary>
    /// <param name="queries">(Q, D)</param>
    /// <param name="bank">(N, D)</param>
    /// <param name="count">How many of each; where the bank has fewer, all.</param>
    /// <param name="progress">Told the number of queries done, as far as the work can be counted in them; from several threads, one at a time.</param>
    /// <param name="cancellation">Ends the search early.</param>
    /// <exception cref="ArgumentException">The widths differ, or the count is less than 1.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static Neighbours Find(
        LabelledVectors queries, LabelledVectors bank, int count, IProgress<int>? progress = null, CancellationToken cancellation = default) =>
        Find(queries, bank, count, isOwn: false, Environment.ProcessorCount, progress, cancellation);

    /// <summary>Finds the neighbours of vectors among each other: none is its own.</summary>
    /// <param name="vectors">(N, D)</param>
    /// <param name="count">How many of each; where there are fewer others, all.</param>
    /// <param name="progress">As for <see cref="Find(LabelledVectors, LabelledVectors, int, IProgress{int}?, CancellationToken)"/>.</param>
    /// <param name="cancellation">Ends the search early.</param>
    /// <exception cref="ArgumentException">The count is less than 1.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static Neighbours Among(LabelledVectors vectors, int count, IProgress<int>? progress = null, CancellationToken cancellation = default) =>
        Find(vectors, vectors, count, isOwn: true, Environment.ProcessorCount, progress, cancellation);

    /// <param name="queries">(Q, D)</param>
    /// <param name="bank">(N, D)</param>
    /// <param name="count">How many of each.</param>
    /// <param name="isOwn">Whether the queries are the bank, and none is its own neighbour.</param>
    /// <param name="threads">How many search at once.</param>
    /// <param name="progress">Told as it goes.</param>
    /// <param name="cancellation">Ends it early.</param>
    internal static Neighbours Find(
        LabelledVectors queries, LabelledVectors bank, int count, bool isOwn, int threads, IProgress<int>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(queries);
        ArgumentNullException.ThrowIfNull(bank);
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        if (queries.Width != bank.Width) throw new ArgumentException($"Queries of {queries.Width} values have no neighbours among vectors of {bank.Width}.", nameof(bank));

        var found = new Neighbours(queries.Count, Math.Min(count, Math.Max(0, bank.Count - (isOwn ? 1 : 0))));
        if (found.Count == 0 || queries.Count == 0) return found;
        var chunks = threads * ((queries.Count - 1) / (threads * LargestChunk) + 1);
        var (done, gate) = (0L, new Lock()); // queries times vectors of the bank
        var options = new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellation };
        Parallel.For(0, chunks, options, chunk =>
        {
            var (first, end) = ((int)((long)queries.Count * chunk / chunks), (int)((long)queries.Count * (chunk + 1) / chunks));
            if (first == end) return;
            var packed = PackedQueries.Of(queries, first, end - first);
            var block = new BankBlock(bank.Width, Math.Min(bank.Count, Math.Max(1, BlockValues / bank.Width)));
            for (var start = 0; start < bank.Count; start += block.Rows)
            {
                cancellation.ThrowIfCancellationRequested();
                block.Take(bank, start);
                packed.Meet(block, found, first, isOwn);
                if (progress is null) continue;
                lock (gate)
                {
                    done += (long)(end - first) * block.Taken;
                    progress.Report((int)(done / bank.Count));
                }
            }
        });
        return found;
    }

    /// <summary>What a vector is multiplied by to have length 1; 0 for one without a direction.</summary>
    internal static float Scale(ReadOnlySpan<float> vector)
    {
        var scale = 1 / TensorPrimitives.Norm(vector);
        return float.IsFinite(scale) ? scale : 0;
    }
}

/// <summary>The nearest neighbours of some queries, the nearest first.</summary>
public sealed class Neighbours
{
    private readonly int[] indices;
    private readonly float[] similarities;

    internal Neighbours(int queries, int count)
    {
        (Queries, Count) = (queries, count);
        (indices, similarities) = (new int[checked(queries * count)], new float[queries * count]);
        similarities.AsSpan().Fill(float.NegativeInfinity); // whatever comes is nearer
    }

    /// <summary>How many queries.</summary>
    public int Queries { get; }

    /// <summary>Neighbours of each.</summary>
    public int Count { get; }

    /// <summary>(Count): where a query's neighbours stand in the bank.</summary>
    public ReadOnlySpan<int> Indices(int query) => indices.AsSpan(query * Count, Count);

    /// <summary>(Count): the cosines, falling.</summary>
    public ReadOnlySpan<float> Similarities(int query) => similarities.AsSpan(query * Count, Count);

    /// <summary>The similarity that a neighbour must exceed to be one of the nearest so far.</summary>
    internal float Farthest(int query) => similarities[(query + 1) * Count - 1];

    /// <summary>Takes in a neighbour that is nearer than the farthest so far, after those that are as near.</summary>
    internal void Add(int query, int index, float similarity)
    {
        var own = similarities.AsSpan(query * Count, Count);
        var places = indices.AsSpan(query * Count, Count);
        var (place, end) = (0, Count);
        while (place < end)
        {
            var middle = (place + end) / 2;
            if (own[middle] >= similarity) place = middle + 1;
            else end = middle;
        }
        own[place..^1].CopyTo(own[(place + 1)..]);
        places[place..^1].CopyTo(places[(place + 1)..]);
        (own[place], places[place]) = (similarity, index);
    }
}
