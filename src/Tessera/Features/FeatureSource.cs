using System.Globalization;
using System.IO.Hashing;
using System.Text.Json;
using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Features;

/// <summary>What makes vectors of pictures: an encoder, or what it is compared with.</summary>
public sealed class FeatureSource
{
    /// <summary>What the same encoder with random weights is called.</summary>
    internal const string RandomWeights = "same encoder, random weights";

    private static readonly JsonSerializerOptions OneLine = new(TesseraJson.Options) { WriteIndented = false };

    private readonly Func<ImageSet, ReadOnlyMemory<int>, IProgress<int>?, CancellationToken, LabelledVectors> extract;

    private FeatureSource(string name, string? key, Func<ImageSet, ReadOnlyMemory<int>, IProgress<int>?, CancellationToken, LabelledVectors> extract) =>
        (Name, Key, this.extract) = (name, key, extract);

    /// <summary>What it is, in words.</summary>
    public string Name { get; }

    /// <summary>What tells its vectors from any other's; null where they are made as fast as they are read.</summary>
    internal string? Key { get; }

    /// <summary>An encoder from a file.</summary>
    /// <param name="model">The encoder, on <paramref name="device"/>; it stays with the caller.</param>
    /// <param name="device">Where it is.</param>
    /// <param name="kind">What of its output; null: <see cref="FeatureKind.Standard"/>.</param>
    public static FeatureSource OfModel(PretrainedEncoder model, Device device, FeatureKind? kind = null) => new(
        "encoder" + Suffix(kind), $"{Words(kind)}, model {HashOf(model.File)} on {device.type} in {TypeOf(model.Encoder)}",
        (images, pictures, progress, cancellation) =>
            FeatureExtraction.OfEncoder(model.Encoder, model.Normalization, images, pictures, device, kind, progress, cancellation: cancellation));

    /// <summary>An encoder of a shape that has learned nothing: what the architecture alone is worth.</summary>
    /// <param name="encoder">The shape.</param>
    /// <param name="normalization">How its pictures are standardised.</param>
    /// <param name="seed">Its weights are a function of it.</param>
    /// <param name="device">Where it is made, for as long as it is needed.</param>
    /// <param name="type">The number format that it computes in.</param>
    /// <param name="kind">What of its output; null: <see cref="FeatureKind.Standard"/>.</param>
    public static FeatureSource OfRandomWeights(
        VisionTransformerOptions encoder, PixelNormalization normalization, ulong seed, Device device, ScalarType type = ScalarType.Float32, FeatureKind? kind = null) => new(
        RandomWeights + Suffix(kind),
        string.Create(CultureInfo.InvariantCulture, $"{Words(kind)}, random {seed} {JsonSerializer.Serialize(encoder, OneLine)} {JsonSerializer.Serialize(normalization, OneLine)} on {device.type} in {type}"),
        (images, pictures, progress, cancellation) =>
        {
            using var random = RandomEncoder(encoder, seed, device, type);
            return FeatureExtraction.OfEncoder(random, normalization, images, pictures, device, kind, progress, cancellation: cancellation);
        });

    /// <summary>The pixels themselves, see <see cref="FeatureExtraction.OfPixels"/>.</summary>
    /// <param name="normalization">How pictures are standardised.</param>
    public static FeatureSource OfPixels(PixelNormalization normalization) => new(
        "raw pixels", key: null,
        (images, pictures, progress, cancellation) => FeatureExtraction.OfPixels(normalization, images, pictures, progress, cancellation));

    /// <summary>Makes the vectors.</summary>
    /// <param name="images">Pictures of the encoder's size.</param>
    /// <param name="pictures">Which of them, in the vectors' order.</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <exception cref="OptionsException">The vectors are too many for one piece of memory.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public LabelledVectors Extract(
        ImageSet images, ReadOnlyMemory<int> pictures, IProgress<int>? progress = null, CancellationToken cancellation = default) =>
        extract(images, pictures, progress, cancellation);

    /// <summary>An encoder that has learned nothing.</summary>
    internal static VisionTransformer RandomEncoder(VisionTransformerOptions encoder, ulong seed, Device device, ScalarType type)
    {
        var random = new VisionTransformer(encoder);
        WeightInitialization.Draw(random, seed);
        random.to(device).to(type);
        return random;
    }

    /// <summary>The number format that an encoder computes in.</summary>
    internal static ScalarType TypeOf(VisionTransformer encoder) => encoder.parameters().First().dtype;

    /// <summary>What tells a model from any other: a hash of its file's bytes.</summary>
    internal static string HashOf(string file)
    {
        var hash = new XxHash128();
        using var stream = File.OpenRead(file);
        hash.Append(stream);
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    private static string Suffix(FeatureKind? kind) => kind is null || kind == FeatureKind.Standard ? "" : $", {kind.Where}{(kind.Pooling == Pooling.Mean ? "" : $", {kind.Pooling.ToString().ToLowerInvariant()}")}";

    private static string Words(FeatureKind? kind) => (kind ?? FeatureKind.Standard).ToString();
}
