using Tessera.Embeddings;

namespace Tessera.Onnx;

/// <summary>What a collection holds at one moment. It never changes, so that whoever reads it needs no lock.</summary>
internal sealed class CollectionContents
{
    public static readonly CollectionContents Empty = new(null);

    private readonly Lazy<Dictionary<string, int>> rows; // by name

    private CollectionContents(VectorSet? vectors)
    {
        Vectors = vectors;
        rows = new Lazy<Dictionary<string, int>>(() => Enumerable.Range(0, Count).ToDictionary(row => Vectors!.Names[row], StringComparer.Ordinal));
    }

    /// <summary>The vectors; null: there are none, and those that come may have any width.</summary>
    public VectorSet? Vectors { get; }

    public int Count => Vectors?.Count ?? 0;

    /// <param name="vectors">Of names that differ.</param>
    public static CollectionContents Of(VectorSet vectors) => vectors.Count == 0 ? Empty : new CollectionContents(vectors);

    /// <summary>Where a name stands; null: nowhere.</summary>
    public int? Row(string name) => rows.Value.TryGetValue(name, out var row) ? row : null;

    /// <summary>A record as it is given away: a vector is a copy, since a part of the whole would hold all of it in memory.</summary>
    public PictureRecord Record(int row, bool includeVector) =>
        Vectors is { } set ? Record(set, row, includeVector ? set.Vectors[row].ToArray() : default) : throw new ArgumentOutOfRangeException(nameof(row));

    /// <summary>The rows that pass, in order.</summary>
    /// <param name="filter">Sees records with their vectors.</param>
    /// <param name="cancellation">Ends it early.</param>
    public IReadOnlyList<int> Where(Func<PictureRecord, bool> filter, CancellationToken cancellation)
    {
        var passed = new List<int>();
        for (var row = 0; row < Count; row++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (filter(Record(Vectors!, row, Vectors!.Vectors.Values.AsMemory(row * Vectors.Width, Vectors.Width)))) passed.Add(row);
        }
        return passed;
    }

    public CollectionContents With(VectorSet more)
    {
        var index = new VectorIndex(Vectors ?? more.Take([]));
        index.Add(more);
        return Of(index.Set);
    }

    /// <summary>Itself, where none of the names is there.</summary>
    public CollectionContents Without(IReadOnlyCollection<string> names)
    {
        if (Vectors is null) return this;
        var index = new VectorIndex(Vectors);
        return index.Remove(names) == 0 ? this : Of(index.Set);
    }

    private static PictureRecord Record(VectorSet set, int row, ReadOnlyMemory<float> vector) => new() { Name = set.Names[row], Class = set.ClassOf(row), Vector = vector };
}
