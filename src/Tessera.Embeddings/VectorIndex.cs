namespace Tessera.Embeddings;

/// <summary>Vectors that come, go and are searched: exact, by cosine similarity. Not for several threads while it changes.</summary>
/// <param name="set">Those to begin with.</param>
public sealed class VectorIndex(VectorSet set)
{
    /// <summary>All vectors.</summary>
    public VectorSet Set { get; private set; } = set;

    /// <summary>Reads one that was saved.</summary>
    /// <param name="file">What <see cref="VectorFile.Read"/> takes.</param>
    /// <exception cref="VectorException">The file holds no vectors.</exception>
    public static VectorIndex Load(string file) => new(VectorFile.Read(file));

    /// <summary>Writes it.</summary>
    /// <param name="file">What <see cref="VectorFile.Write"/> takes.</param>
    /// <exception cref="VectorException">The file cannot be written.</exception>
    public void Save(string file) => VectorFile.Write(file, Set);

    /// <summary>Takes in more vectors. One of a name that is there already takes its place.</summary>
    /// <exception cref="VectorException">They are of another width, or another model made them.</exception>
    public void Add(VectorSet more)
    {
        ArgumentNullException.ThrowIfNull(more);
        var all = Set.With(more);
        var last = new Dictionary<string, int>(StringComparer.Ordinal); // by name, in the order of first appearance
        for (var row = 0; row < all.Count; row++) last[all.Names[row]] = row;
        Set = last.Count == all.Count ? all : all.Take([.. last.Values]);
    }

    /// <summary>Takes vectors out. A name that is not there is passed over.</summary>
    /// <returns>How many were taken out.</returns>
    public int Remove(IEnumerable<string> names)
    {
        ArgumentNullException.ThrowIfNull(names);
        var gone = names.ToHashSet(StringComparer.Ordinal);
        int[] left = [.. Enumerable.Range(0, Set.Count).Where(row => !gone.Contains(Set.Names[row]))];
        var removed = Set.Count - left.Length;
        if (removed > 0) Set = Set.Take(left);
        return removed;
    }

    /// <summary>The nearest vectors to each of some others, the nearest first.</summary>
    /// <param name="queries">The others.</param>
    /// <param name="count">How many of each; where there are fewer, all.</param>
    /// <param name="cancellation">Ends the search early.</param>
    /// <exception cref="VectorException">They are of another width, or another model made them.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public IReadOnlyList<IReadOnlyList<Found>> Search(VectorSet queries, int count, CancellationToken cancellation = default)
    {
        Set.RequireComparable(queries);
        var near = NearestNeighbours.Find(queries.Vectors, Set.Vectors, count, cancellation: cancellation);
        return [.. Enumerable.Range(0, queries.Count).Select(query =>
        {
            var rows = near.Indices(query);
            var similarities = near.Similarities(query);
            var found = new Found[rows.Length];
            for (var i = 0; i < found.Length; i++) found[i] = new Found(rows[i], Set.Names[rows[i]], Set.ClassOf(rows[i]), similarities[i]);
            return (IReadOnlyList<Found>)found;
        })];
    }
}

/// <summary>A vector that was found.</summary>
/// <param name="Row">Where it stands in the index.</param>
/// <param name="Name">Its name.</param>
/// <param name="Class">Its class; null: none.</param>
/// <param name="Similarity">The cosine, -1 to 1.</param>
public sealed record Found(int Row, string Name, string? Class, float Similarity);
