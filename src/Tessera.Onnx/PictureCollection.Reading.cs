using System.Linq.Expressions;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;
using Tessera.Embeddings;

namespace Tessera.Onnx;

// What is asked of a collection. Work begins when the answers are asked for, off the caller's thread, on the contents of that moment.
public sealed partial class PictureCollection
{
    /// <inheritdoc/>
    public override Task<PictureRecord?> GetAsync(string key, RecordRetrievalOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        return Task.Run(
            () =>
            {
                var now = Existing(nameof(GetAsync));
                return now.Row(key) is { } row ? now.Record(row, options?.IncludeVectors == true) : null;
            },
            cancellationToken);
    }

    /// <summary>Records by their names, in the order of the names; those that are not there are left out.</summary>
    /// <param name="keys">The names.</param>
    /// <param name="options">Whether vectors are wanted.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <exception cref="VectorStoreException">The collection does not exist.</exception>
    public override IAsyncEnumerable<PictureRecord> GetAsync(IEnumerable<string> keys, RecordRetrievalOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return EachAsync(
            _ =>
            {
                var now = Existing(nameof(GetAsync));
                return Task.FromResult(keys.Select(now.Row).OfType<int>().Select(row => now.Record(row, options?.IncludeVectors == true)));
            },
            cancellationToken);
    }

    /// <summary>Records that pass a filter, in the order asked for, or else in that in which they came.</summary>
    /// <param name="filter">Sees records with their vectors.</param>
    /// <param name="top">How many at most.</param>
    /// <param name="options">How many to pass over, the order (by <see cref="PictureRecord.Name"/> or <see cref="PictureRecord.Class"/>, letter by letter), whether vectors are wanted.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <exception cref="ArgumentException">Less than one record is asked for, or an order by something else.</exception>
    /// <exception cref="VectorStoreException">The collection does not exist, or the filter failed.</exception>
    public override IAsyncEnumerable<PictureRecord> GetAsync(
        Expression<Func<PictureRecord, bool>> filter, int top, FilteredRecordRetrievalOptions<PictureRecord>? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        ArgumentOutOfRangeException.ThrowIfLessThan(top, 1);
        var (skip, includeVectors) = (options?.Skip ?? 0, options?.IncludeVectors == true);
        (string Property, bool Ascending)[] order = [.. options?.OrderBy?.Invoke(new()).Values.Select(by => (PropertyOf(by.PropertySelector), by.Ascending)) ?? []];
        if (order.Any(by => by.Property is not (nameof(PictureRecord.Name) or nameof(PictureRecord.Class))))
            throw new ArgumentException($"Records are ordered by {nameof(PictureRecord.Name)} or {nameof(PictureRecord.Class)}.", nameof(options));
        return EachAsync(
            cancellation =>
            {
                var now = Existing(nameof(GetAsync));
                var rows = Ordered(now, Passing(nameof(GetAsync), now, filter, cancellation), order);
                return Task.FromResult(rows.Skip(skip).Take(top).Select(row => now.Record(row, includeVectors)));
            },
            cancellationToken);
    }

    /// <summary>The records that are most similar, the most similar first; a score is the cosine, -1 to 1.</summary>
    /// <typeparam name="TInput">
    /// A vector (<c>float[]</c>, <see cref="ReadOnlyMemory{T}"/> of <see cref="float"/>, <see cref="Embedding{T}"/> of <see cref="float"/>), or a picture that the generator
    /// makes one of: a <see cref="DataContent"/> or the <see cref="FileInfo"/> of its file. A text is refused, and not taken for a path: texts come from strangers.
    /// </typeparam>
    /// <param name="searchValue">What to search for.</param>
    /// <param name="top">How many at most.</param>
    /// <param name="options">How many to pass over, a filter, which applies before and sees records with their vectors, the least score, whether vectors are wanted.</param>
    /// <param name="cancellationToken">Ends it early.</param>
    /// <exception cref="ArgumentException">Something else is searched for, an empty vector, less than one record, or by another property than the vector.</exception>
    /// <exception cref="InvalidOperationException">A picture is searched for, and the collection has no generator.</exception>
    /// <exception cref="VectorStoreException">The collection does not exist, its vectors are of another width or model, a picture cannot be read, or the filter failed.</exception>
    public override IAsyncEnumerable<VectorSearchResult<PictureRecord>> SearchAsync<TInput>(
        TInput searchValue, int top, VectorSearchOptions<PictureRecord>? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(searchValue);
        ArgumentOutOfRangeException.ThrowIfLessThan(top, 1);
        if (options?.VectorProperty is { } by && PropertyOf(by) != nameof(PictureRecord.Vector))
            throw new ArgumentException($"Records are searched by their {nameof(PictureRecord.Vector)} alone.", nameof(options));
        var vector = VectorIn(searchValue);
        if (vector is { IsEmpty: true }) throw new ArgumentException("The vector to search for has no values.", nameof(searchValue));
        if (vector is null && searchValue is not (DataContent or FileInfo))
            throw new ArgumentException($"A value of type {searchValue.GetType().Name} cannot be searched for: give a vector, the content of a picture, or a FileInfo of its file.", nameof(searchValue));
        if (vector is null && generator is null) throw WithoutGenerator();
        var (skip, filter, least, includeVectors) = (options?.Skip ?? 0, options?.Filter, options?.ScoreThreshold, options?.IncludeVectors == true);
        return EachAsync(
            async cancellation =>
            {
                var now = Existing(nameof(SearchAsync));
                var (query, origin) = vector is { } given ? (given, null) : await QueryAsync(searchValue, cancellation).ConfigureAwait(false);
                var rows = filter is null ? null : Passing(nameof(SearchAsync), now, filter, cancellation);
                return Nearest(now, rows, query, origin, (long)top + skip, cancellation)
                    .Skip(skip).TakeWhile(found => least is null || found.Similarity >= least) // they fall
                    .Select(found => new VectorSearchResult<PictureRecord>(now.Record(rows?[found.Row] ?? found.Row, includeVectors), found.Similarity));
            },
            cancellationToken);
    }

    private static ReadOnlyMemory<float>? VectorIn(object searchValue) => searchValue switch
    {
        float[] vector => vector,
        Memory<float> vector => vector,
        ReadOnlyMemory<float> vector => vector,
        Embedding<float> embedding => embedding.Vector,
        _ => default(ReadOnlyMemory<float>?), // a bare null would become an empty vector
    };

    private async Task<(ReadOnlyMemory<float> Vector, VectorOrigin? Origin)> QueryAsync(object picture, CancellationToken cancellation)
    {
        if (picture is not DataContent content)
        {
            try
            {
                content = await DataContent.LoadFromAsync(((FileInfo)picture).FullName, cancellationToken: cancellation).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw Failure(nameof(SearchAsync), $"{picture} cannot be read: {e.Message}", e);
            }
        }
        var (vectors, origin) = await EmbedAsync(nameof(SearchAsync), [content], cancellation).ConfigureAwait(false);
        return (vectors[0], origin);
    }

    /// <param name="now">The contents.</param>
    /// <param name="rows">Those to search in; null: all.</param>
    /// <param name="query">(D)</param>
    /// <param name="origin">What made it; null: not known.</param>
    /// <param name="count">How many.</param>
    /// <param name="cancellation">Ends it early.</param>
    private IReadOnlyList<Found> Nearest(CollectionContents now, IReadOnlyList<int>? rows, ReadOnlyMemory<float> query, VectorOrigin? origin, long count, CancellationToken cancellation)
    {
        if (now.Vectors is not { } set) return [];
        var searched = new VectorSet(new LabelledVectors(query.ToArray(), query.Length, [-1]), ["the query"], [], origin is null ? null : origin with { Source = "the query" });
        try
        {
            return new VectorIndex(rows is null ? set : set.Take(rows)).Search(searched, (int)Math.Min(count, set.Count), cancellation)[0];
        }
        catch (VectorException e)
        {
            throw Failure(nameof(SearchAsync), e.Message, e);
        }
    }

    private IReadOnlyList<int> Passing(string operation, CollectionContents now, Expression<Func<PictureRecord, bool>> filter, CancellationToken cancellation)
    {
        try
        {
            return now.Where(filter.Compile(), cancellation);
        }
        catch (Exception e) when (e is not OperationCanceledException) // whatever the caller's own code trips over
        {
            throw Failure(operation, $"The filter {filter} failed: {e.Message}", e);
        }
    }

    private static IEnumerable<int> Ordered(CollectionContents now, IReadOnlyList<int> rows, IEnumerable<(string Property, bool Ascending)> order)
    {
        IOrderedEnumerable<int>? ordered = null;
        foreach (var (property, ascending) in order)
        {
            Func<int, string?> key = property == nameof(PictureRecord.Name) ? row => now.Vectors!.Names[row] : row => now.Vectors!.ClassOf(row);
            ordered = (ordered, ascending) switch
            {
                (null, true) => rows.OrderBy(key, StringComparer.Ordinal),
                (null, false) => rows.OrderByDescending(key, StringComparer.Ordinal),
                (_, true) => ordered.ThenBy(key, StringComparer.Ordinal),
                (_, false) => ordered.ThenByDescending(key, StringComparer.Ordinal),
            };
        }
        return ordered ?? rows.AsEnumerable();
    }

    /// <summary>The name of the property that <c>r => r.Property</c> takes; empty: it takes none.</summary>
    private static string PropertyOf(Expression<Func<PictureRecord, object?>> selector)
    {
        var body = selector.Body is UnaryExpression { NodeType: ExpressionType.Convert } boxed ? boxed.Operand : selector.Body;
        return body is MemberExpression { Expression: ParameterExpression } member ? member.Member.Name : "";
    }

    private static async IAsyncEnumerable<T> EachAsync<T>(Func<CancellationToken, Task<IEnumerable<T>>> find, [EnumeratorCancellation] CancellationToken cancellation)
    {
        foreach (var item in await Task.Run(async () => (await find(cancellation).ConfigureAwait(false)).ToList(), cancellation).ConfigureAwait(false))
        {
            cancellation.ThrowIfCancellationRequested();
            yield return item;
        }
    }
}
