using Microsoft.Extensions.AI;
using Tessera.Embeddings;
using Tessera.Imaging;

namespace Tessera.Onnx;

// Off the caller's thread: for web pages and windows, which must not wait.
public sealed partial class ImageEmbedder : IEmbeddingGenerator<DataContent, Embedding<float>>
{
    /// <summary>The vector of a picture.</summary>
    /// <inheritdoc cref="Embed(Stream, string)"/>
    /// <param name="encoded">The bytes of a picture's file, read to their end.</param>
    /// <param name="name">What to call it if it is broken.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public async Task<float[]> EmbedAsync(Stream encoded, string name = "the picture", CancellationToken cancellation = default)
    {
        var bytes = await OnnxModel.ReadAsync(encoded, cancellation).ConfigureAwait(false);
        return await Task.Run(() => Embed(bytes, name), cancellation).ConfigureAwait(false);
    }

    /// <summary>The vectors of pictures, in batches.</summary>
    /// <inheritdoc cref="Embed(IReadOnlyList{string}, IProgress{int}?, CancellationToken)"/>
    public Task<VectorSet> EmbedAsync(IReadOnlyList<string> files, IProgress<int>? progress = null, CancellationToken cancellation = default) =>
        Task.Run(() => Embed(files, progress, cancellation), cancellation);

    /// <summary>The vectors of pictures, for what is written against <c>Microsoft.Extensions.AI</c>.</summary>
    /// <param name="values">The bytes of pictures' files, of a media type that begins with <c>image/</c>.</param>
    /// <param name="options">The number of dimensions may be asked for, and is the model's or refused; a model's name is the model's or refused.</param>
    /// <param name="cancellationToken">Ends the work early.</param>
    /// <returns>As many embeddings, in the same order.</returns>
    /// <exception cref="ArgumentException">Something is no picture, or other vectors are asked for.</exception>
    /// <exception cref="BrokenImageException">One cannot be decoded.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<DataContent> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (options?.Dimensions is { } dimensions && dimensions != Width)
            throw new ArgumentException($"The model gives vectors of {Width} values, not {dimensions}.", nameof(options));
        if (options?.ModelId is { } asked && asked != ModelId) throw new ArgumentException($"The model is {ModelId}, not {asked}.", nameof(options));
        var pictures = values.ToList();
        if (pictures.FirstOrDefault(picture => !picture.HasTopLevelMediaType("image")) is { } other)
            throw new ArgumentException($"A content of type {other.MediaType} is no picture.", nameof(values));
        return Task.Run(() => Generate(pictures, cancellationToken), cancellationToken);
    }

    object? IEmbeddingGenerator.GetService(Type serviceType, object? serviceKey)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        if (serviceKey is not null) return null;
        if (serviceType == typeof(EmbeddingGeneratorMetadata)) return new EmbeddingGeneratorMetadata("tessera", defaultModelId: ModelId, defaultModelDimensions: Width);
        if (serviceType == typeof(VectorOrigin)) return Origin; // for whoever keeps what it generates, and must know by which model
        return serviceType.IsInstanceOfType(this) ? this : null;
    }

    private string ModelId => Path.GetFileNameWithoutExtension(model.Metadata.Model);

    private GeneratedEmbeddings<Embedding<float>> Generate(List<DataContent> pictures, CancellationToken cancellation)
    {
        var vectors = Batches(
            pictures.Count, (picture, planar) => ImageDecoder.Decode(pictures[picture].Data.Span, pictures[picture].Name ?? $"picture {picture + 1}", Shape, planar), null, cancellation);
        var now = TimeProvider.System.GetUtcNow();
        return [.. pictures.Select((_, row) => new Embedding<float>(vectors.AsMemory(row * Width, Width)) { ModelId = ModelId, CreatedAt = now })];
    }
}
