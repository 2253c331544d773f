using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;
using Tessera.Embeddings;
using Tessera.Imaging;

namespace Tessera.Onnx;

/// <summary>Vectors of pictures as a collection of <c>Microsoft.Extensions.VectorData</c>: in memory, searched exactly, by cosine similarity; kept in a file where one is given.</summary>
/// <remarks>
/// <para>All members may be called from several threads at once. A change makes new contents and puts them in place of the old ones, so that what reads never waits, and sees all of
/// a change or nothing. That costs a copy of the vectors, and a file is written whole: upsert many records in one call.</para>
/// <para>A change that fails or is cancelled leaves memory and file as they were. A file belongs to one collection at a time, for another does not see its changes.</para>
/// <para>What fails throws <see cref="VectorStoreException"/>, wrong arguments <see cref="ArgumentException"/>.</para>
/// </remarks>
[SuppressMessage("Naming", "CA1711", Justification = "A collection is what the abstraction calls it.")]
public sealed partial class PictureCollection : VectorStoreCollection<string, PictureRecord>
{
    private const string SystemName = "tessera";

    private readonly IEmbeddingGenerator<DataContent, Embedding<float>>? generator;
    private readonly string? file;
    private readonly SemaphoreSlim writing = new(1, 1);
    private volatile CollectionContents? contents; // null: it does not exist

    /// <summary>Makes a collection that is in memory alone.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="vectors">What it holds, such as the vectors of <see cref="ImageEmbedder.Embed(IReadOnlyList{string}, IProgress{int}?, CancellationToken)"/>; null: it does not exist yet.</param>
    /// <param name="generator">What makes vectors of pictures, such as an <see cref="ImageEmbedder"/>, which stays the caller's; null: vectors come from outside.</param>
    /// <exception cref="VectorException">Two vectors have one name.</exception>
    public PictureCollection(string name, VectorSet? vectors = null, IEmbeddingGenerator<DataContent, Embedding<float>>? generator = null) : this(name, vectors, null, generator) { }

    private PictureCollection(string name, VectorSet? vectors, string? file, IEmbeddingGenerator<DataContent, Embedding<float>>? generator)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        (Name, this.file, this.generator) = (name, file, generator);
        if (vectors is null) return;
        var twice = vectors.Names.GroupBy(key => key, StringComparer.Ordinal).FirstOrDefault(names => names.Skip(1).Any());
        if (twice is not null) throw new VectorException($"Two vectors of {file ?? name} have the name '{twice.Key}', and names are a collection's keys: give each its own.");
        contents = CollectionContents.Of(vectors);
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>Makes a collection that is kept in a file, and reads it where the file is there. A collection without records has no file.</summary>
    /// <param name="file">As for <see cref="VectorFile"/>: <c>.parquet</c> is one file, the others have a second one beside them. Its name without the ending is the collection's.</param>
    /// <param name="generator">As for the constructor.</param>
    /// <exception cref="ArgumentException">The ending is no format of vectors.</exception>
    /// <exception cref="VectorException">The file cannot be read as vectors, or two of them have one name.</exception>
    public static PictureCollection Open(string file, IEmbeddingGenerator<DataContent, Embedding<float>>? generator = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        if (!VectorFile.Endings.Contains(Path.GetExtension(file), StringComparer.OrdinalIgnoreCase))
            throw new ArgumentException($"{file} has not the ending of a format of vectors: choose {string.Join(", ", VectorFile.Endings)}.", nameof(file));
        return new PictureCollection(Path.GetFileNameWithoutExtension(file), File.Exists(file) ? VectorIndex.Load(file).Set : null, file, generator);
    }

    /// <inheritdoc/>
    public override Task<bool> CollectionExistsAsync(CancellationToken cancellationToken = default) =>
        cancellationToken.IsCancellationRequested ? Task.FromCanceled<bool>(cancellationToken) : Task.FromResult(contents is not null);

    /// <inheritdoc/>
    public override Task EnsureCollectionExistsAsync(CancellationToken cancellationToken = default) =>
        ChangeAsync(nameof(EnsureCollectionExistsAsync), () => contents ?? CollectionContents.Empty, cancellationToken);

    /// <summary>Deletes the collection with all its records, and its file, if it exists.</summary>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <exception cref="VectorStoreException">The file cannot be deleted.</exception>
    public override Task EnsureCollectionDeletedAsync(CancellationToken cancellationToken = default) =>
        ChangeAsync(nameof(EnsureCollectionDeletedAsync), () => null, cancellationToken);

    /// <summary>Takes in a record. One of its name that is there already is replaced.</summary>
    /// <inheritdoc cref="UpsertAsync(IEnumerable{PictureRecord}, CancellationToken)"/>
    /// <param name="record">With a vector, or with a picture that a vector is made of.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    public override Task UpsertAsync(PictureRecord record, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(record);
        return UpsertAsync([record], cancellationToken);
    }

    /// <summary>Takes in records, all or none. Those of names that are there already are replaced.</summary>
    /// <param name="records">Each with a vector, or with a picture that a vector is made of.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <exception cref="ArgumentException">A record has no name, or neither a vector nor a picture, or vectors of several widths are among them.</exception>
    /// <exception cref="InvalidOperationException">A record has a picture alone, and the collection has no generator.</exception>
    /// <exception cref="VectorStoreException">The collection does not exist, its vectors are of another width or model, a picture cannot be read, or the file cannot be written.</exception>
    public override async Task UpsertAsync(IEnumerable<PictureRecord> records, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(records);
        PictureRecord[] all = [.. records];
        for (var i = 0; i < all.Length; i++) Require(all[i], i);
        Existing(nameof(UpsertAsync)); // before pictures are embedded for nothing
        if (all.Length == 0) return;
        var more = await VectorsOfAsync(all, cancellationToken).ConfigureAwait(false);
        await ChangeAsync(nameof(UpsertAsync), () => Existing(nameof(UpsertAsync)).With(more), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override Task DeleteAsync(string key, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        return DeleteAsync([key], cancellationToken);
    }

    /// <summary>Deletes records, all in one. A name that is not there is passed over.</summary>
    /// <param name="keys">Their names.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <exception cref="VectorStoreException">The collection does not exist, or the file cannot be written.</exception>
    public override Task DeleteAsync(IEnumerable<string> keys, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        string[] names = [.. keys];
        return ChangeAsync(nameof(DeleteAsync), () => Existing(nameof(DeleteAsync)).Without(names), cancellationToken);
    }

    /// <summary>What is behind the collection: itself, its <see cref="VectorStoreCollectionMetadata"/>, or the <see cref="VectorSet"/> of what it holds now.</summary>
    /// <param name="serviceType">Which of them.</param>
    /// <param name="serviceKey">None has a key.</param>
    /// <returns>Null: it has nothing of that type, or holds no vectors.</returns>
    public override object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        if (serviceType == typeof(VectorStoreCollectionMetadata))
            return new VectorStoreCollectionMetadata { VectorStoreSystemName = SystemName, VectorStoreName = file, CollectionName = Name };
        if (serviceType == typeof(VectorSet)) return contents?.Vectors;
        return serviceType.IsInstanceOfType(this) ? this : null;
    }

    private static void Require(PictureRecord? record, int place)
    {
        if (record is null) throw new ArgumentException($"Record {place} is null.", nameof(record));
        if (string.IsNullOrEmpty(record.Name)) throw new ArgumentException($"Record {place} has no name, which is its key.", nameof(record));
        if (record.Vector.IsEmpty && record.Picture is null) throw new ArgumentException($"The record '{record.Name}' has neither a vector nor a picture to make one of.", nameof(record));
    }

    /// <summary>The vectors of records, those of pictures made in one go.</summary>
    private async Task<VectorSet> VectorsOfAsync(PictureRecord[] records, CancellationToken cancellation)
    {
        PictureRecord[] pictures = [.. records.Where(record => record.Vector.IsEmpty)];
        var (made, origin) = pictures.Length == 0 ? ([], null) : await EmbedAsync(nameof(UpsertAsync), [.. pictures.Select(p => p.Picture!)], cancellation).ConfigureAwait(false);
        var vectors = new List<ReadOnlyMemory<float>>(records.Length);
        var next = 0;
        foreach (var record in records) vectors.Add(record.Vector.IsEmpty ? made[next++] : record.Vector);

        var width = vectors[0].Length;
        var wrong = vectors.FindIndex(vector => vector.Length != width);
        if (wrong >= 0)
            throw new ArgumentException($"The vector of '{records[wrong].Name}' has {vectors[wrong].Length} values, and that of '{records[0].Name}' {width}: embed both with the same model.", nameof(records));
        var values = new float[checked(width * records.Length)];
        for (var row = 0; row < records.Length; row++) vectors[row].Span.CopyTo(values.AsSpan(row * width));
        List<string> classes = [.. records.Select(record => record.Class ?? "").Where(name => name.Length > 0).Distinct(StringComparer.Ordinal)];
        int[] labels = [.. records.Select(record => string.IsNullOrEmpty(record.Class) ? -1 : classes.IndexOf(record.Class))];
        return new VectorSet(new LabelledVectors(values, width, labels), [.. records.Select(record => record.Name)], classes, origin);
    }

    /// <summary>Vectors of pictures, and what made them where the generator says.</summary>
    private async Task<(IReadOnlyList<ReadOnlyMemory<float>> Vectors, VectorOrigin? Origin)> EmbedAsync(string operation, DataContent[] pictures, CancellationToken cancellation)
    {
        if (generator is null) throw WithoutGenerator();
        try
        {
            var embeddings = await generator.GenerateAsync(pictures, cancellationToken: cancellation).ConfigureAwait(false);
            return ([.. embeddings.Select(embedding => embedding.Vector)], generator.GetService(typeof(VectorOrigin)) as VectorOrigin);
        }
        catch (BrokenImageException e)
        {
            throw Failure(operation, e.Message, e);
        }
    }

    private InvalidOperationException WithoutGenerator() => new($"The collection '{Name}' has nothing that makes vectors of pictures: give it an ImageEmbedder, or vectors.");

    private CollectionContents Existing(string operation) =>
        contents ?? throw Failure(operation, $"The collection '{Name}' does not exist: call {nameof(EnsureCollectionExistsAsync)} first.");

    /// <summary>Puts other contents in place, one change after the other: first in the file, then in memory.</summary>
    private async Task ChangeAsync(string operation, Func<CollectionContents?> change, CancellationToken cancellation)
    {
        await writing.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            await Task.Run(() => Change(change, cancellation), cancellation).ConfigureAwait(false);
        }
        catch (VectorException e)
        {
            throw Failure(operation, e.Message, e);
        }
        finally
        {
            writing.Release();
        }
    }

    private void Change(Func<CollectionContents?> change, CancellationToken cancellation)
    {
        var next = change();
        cancellation.ThrowIfCancellationRequested(); // the last moment at which nothing is changed
        if (ReferenceEquals(next, contents)) return;
        if (file is not null)
        {
            if (next?.Vectors is { } vectors) new VectorIndex(vectors).Save(file);
            else if (contents?.Vectors is not null) VectorFile.Delete(file);
        }
        contents = next;
    }

    private VectorStoreException Failure(string operation, string message, Exception? inner = null) =>
        new(message, inner) { VectorStoreSystemName = SystemName, VectorStoreName = file, CollectionName = Name, OperationName = operation };
}
