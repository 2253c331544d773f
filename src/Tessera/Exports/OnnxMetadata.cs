using System.Text.Json;
using System.Text.Json.Serialization;
using Tessera.Embeddings;

namespace Tessera.Exports;

/// <summary>What an exported model says of itself, under one key of its metadata; written here and read by <c>Tessera.Onnx</c>.</summary>
internal sealed record OnnxMetadata
{
    /// <summary>The key.</summary>
    public const string Key = "tessera.onnx";

    /// <summary>The version that is written, and the only one that is read.</summary>
    public const int CurrentVersion = 1;

    /// <summary>Words for <see cref="Holds"/>.</summary>
    public const string Encoder = "encoder", Reconstruction = "reconstruction", Classifier = "classifier";

    /// <summary>Names of inputs: (B, H, W, C) uint8; (B, Nv), (B, Nh) and (B, Nh) int64.</summary>
    public const string Pixels = "pixels", Visible = "visible", Hidden = "hidden", Tokens = "tokens";

    /// <summary>Names of outputs: (B, D), (B, N, width), (B, H, W, C), (B, K) and (B), all fp32.</summary>
    public const string Vector = "vector", Patches = "patches", Picture = "picture", Probabilities = "probabilities", Similarity = "similarity";

    /// <summary>Which members there are and what they mean.</summary>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>What the graph is.</summary>
    public required string Holds { get; init; }

    /// <summary>The file it was exported from, without its folder.</summary>
    public required string Model { get; init; }

    /// <summary>XxHash128 of that file, by which vectors of one model are known.</summary>
    public required string Fingerprint { get; init; }

    /// <summary>How matrices are stored: fp32, fp16 or int8.</summary>
    public required string Weights { get; init; }

    /// <summary>1 or 3.</summary>
    public required int Channels { get; init; }

    /// <summary>In pixels.</summary>
    public required int Height { get; init; }

    /// <summary>In pixels.</summary>
    public required int Width { get; init; }

    /// <summary>In pixels.</summary>
    public required int PatchSize { get; init; }

    /// <summary>Values of a token.</summary>
    public required int TokenWidth { get; init; }

    /// <summary>A channel, on the scale 0 to 1.</summary>
    public required double[] Mean { get; init; }

    /// <summary>A channel, on the scale 0 to 1.</summary>
    public required double[] Deviation { get; init; }

    /// <summary>Of an encoder, the values of a vector.</summary>
    public int? VectorWidth { get; init; }

    /// <summary>Of an encoder, what of its output a vector is, in words.</summary>
    public string? VectorKind { get; init; }

    /// <summary>Of a reconstruction, the size of the set of mask tokens.</summary>
    public int? MaskTokens { get; init; }

    /// <summary>Of a reconstruction, the share of places that was hidden in training.</summary>
    public double? MaskRatio { get; init; }

    /// <summary>Of a classifier, its classes' names, in the order of the probabilities.</summary>
    public string[]? Classes { get; init; }

    /// <summary>Of a classifier, what people call them, as many.</summary>
    public string[]? Titles { get; init; }

    /// <summary>Of a classifier, what stands for a picture: mean or class, for the mean of the patch tokens and the class token.</summary>
    public string? Pooling { get; init; }

    /// <summary>Of a classifier, when a picture looks like no class; null where that was not measured, and the graph then gives no similarity.</summary>
    public Familiarity? Familiarity { get; init; }

    /// <summary>The pictures it was trained on, in words.</summary>
    public string? Data { get; init; }

    /// <summary>How it was trained: words by name.</summary>
    public IReadOnlyDictionary<string, string> Training { get; init; } = new Dictionary<string, string>();

    /// <summary>As it is stored.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, OnnxJson.Default.OnnxMetadata);
}

/// <summary>What an exported model gives for a picture that lies beside it: <c>NAME.golden.json</c>.</summary>
internal sealed record OnnxGolden
{
    /// <summary>The version that is written, and the only one that is read.</summary>
    public const int CurrentVersion = 1;

    /// <summary>Which members there are and what they mean.</summary>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>The picture, in the same folder. It has not the model's size, so that the way there is checked too.</summary>
    public required string Picture { get; init; }

    /// <summary>XxHash128 of the (H, W, C) bytes that it becomes.</summary>
    public required string Pixels { get; init; }

    /// <summary>How far a value may be off.</summary>
    public required double Tolerance { get; init; }

    /// <summary>Of an encoder, its vector.</summary>
    public float[]? Vector { get; init; }

    /// <summary>Of a classifier, the probabilities of its classes.</summary>
    public float[]? Probabilities { get; init; }

    /// <summary>Of a classifier with means, the cosine to the nearest.</summary>
    public float? Similarity { get; init; }

    /// <summary>Of a reconstruction, the places that are hidden.</summary>
    public int[]? Hidden { get; init; }

    /// <summary>Of a reconstruction, the numbers of the mask tokens that stand there.</summary>
    public int[]? Tokens { get; init; }

    /// <summary>Of a reconstruction, the restored picture, in the same folder: to the nearest of 255 steps.</summary>
    public string? Restored { get; init; }

    /// <summary>The file that belongs to an exported one.</summary>
    public static string FileOf(string onnx) => Path.ChangeExtension(onnx, ".golden.json");

    /// <summary>As it is stored.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, OnnxJson.Default.OnnxGolden);
}

/// <summary>Without reflection, for programs that are trimmed.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true, NewLine = "\n")]
[JsonSerializable(typeof(OnnxMetadata))]
[JsonSerializable(typeof(OnnxGolden))]
internal sealed partial class OnnxJson : JsonSerializerContext;
