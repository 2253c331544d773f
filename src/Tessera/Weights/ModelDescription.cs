using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using Tessera.Embeddings;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Runtime;

namespace Tessera.Weights;

/// <summary>What a weights file says of its model, so that it loads with no other file: an encoder, and the heads that it has.</summary>
public sealed record ModelDescription
{
    /// <summary>The key of the safetensors metadata that holds it.</summary>
    public const string MetadataKey = "tessera.model";

    /// <summary>The key of it in a file that was exported under another project's names.</summary>
    public const string ExportedKey = "tessera.exported";

    /// <summary>The version that is written, and the only one that is read.</summary>
    public const int CurrentVersion = 2;

    /// <summary>Which members there are and what they mean.</summary>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>The encoder's shape.</summary>
    public required VisionTransformerOptions Encoder { get; init; }

    /// <summary>The mean and deviation its pictures are standardised by.</summary>
    public required PixelNormalization Normalization { get; init; }

    /// <summary>What restores hidden patches; null where the file holds no decoder.</summary>
    public ReconstructionHead? Reconstruction { get; init; }

    /// <summary>What names pictures; null where the file holds no classifier.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] // models without classes are described as ever
    public ClassHead? Classes { get; init; }

    /// <summary>The pictures it was trained on; null where that is not known.</summary>
    public DataFacts? Data { get; init; }

    /// <summary>How it was trained: free words by name, such as preset, epochs and PSNR.</summary>
    public IReadOnlyDictionary<string, string> Training { get; init; } = new Dictionary<string, string>();

    /// <summary>The whole autoencoder's shape.</summary>
    /// <param name="file">The file that says so, named in the error.</param>
    /// <exception cref="ModelFileException">It holds an encoder alone.</exception>
    public MaskedAutoencoderOptions RequireReconstruction(string file) => Autoencoder
        ?? throw new ModelFileException($"{file} holds an encoder without a decoder, so it cannot restore pictures: give the model as it was pretrained.");

    /// <summary>The classes that it tells apart.</summary>
    /// <param name="file">The file that says so, named in the error.</param>
    /// <exception cref="ModelFileException">It tells none apart.</exception>
    public ClassHead RequireClasses(string file) => Classes
        ?? throw new ModelFileException($"{file} holds an encoder that knows no classes, so it cannot name pictures: make a classifier of it with labelled pictures first (fine-tuning).");

    /// <summary>Everything that is wrong with it, a sentence each; empty where the model can be built.</summary>
    public IEnumerable<string> Faults()
    {
        var shape = (Autoencoder?.Faults() ?? Encoder.Faults()).ToList();
        foreach (var fault in shape) yield return fault;
        if (Normalization.Mean.Count != Encoder.Channels || Normalization.Deviation.Count != Encoder.Channels)
            yield return $"there are {Normalization.Mean.Count} means and {Normalization.Deviation.Count} deviations for pictures of {Encoder.Channels} channels";
        if (!Normalization.Mean.All(double.IsFinite) || !Normalization.Deviation.All(d => d > 0 && double.IsFinite(d)))
            yield return "the means must be finite, and the deviations finite and above 0";
        foreach (var fault in Classes?.Faults(Encoder) ?? []) yield return fault;
        if (Reconstruction is null || shape.Count > 0) yield break;
        foreach (var fault in Reconstruction.Mask.Faults(Encoder.ImageHeight, Encoder.ImageWidth, Encoder.PatchSize)) yield return fault;
    }

    /// <summary>A member of a record must be there: a normalisation without deviations is none.</summary>
    private static readonly JsonSerializerOptions Reading = new(TesseraJson.Options) { RespectRequiredConstructorParameters = true };

    private MaskedAutoencoderOptions? Autoencoder => Reconstruction is null ? null : new MaskedAutoencoderOptions(Reconstruction, Encoder);

    /// <summary>Reads a description out of a file's metadata.</summary>
    /// <param name="file">The file, named in errors.</param>
    /// <param name="text">The JSON.</param>
    /// <exception cref="ModelFileException">It is of another version, or describes what cannot be built.</exception>
    internal static ModelDescription Parse(string file, string text)
    {
        try
        {
            RequireVersion(file, text);
            var description = JsonSerializer.Deserialize<ModelDescription>(text, Reading) ?? throw new JsonException("it is null");
            var faults = description.Faults().ToList();
            return faults.Count == 0 ? description : throw new JsonException(string.Join("; ", faults));
        }
        catch (JsonException e)
        {
            throw new ModelFileException($"{file} describes its model in a way that this version cannot build ({e.Message}): use the version that wrote it, or a newer one.", e);
        }
    }

    /// <summary>Asks for the version before anything else: another one's members may have any meaning.</summary>
    private static void RequireVersion(string file, string text)
    {
        using var json = JsonDocument.Parse(text);
        if (json.RootElement.ValueKind != JsonValueKind.Object) throw new JsonException("it is not an object");
        var version = 1; // which did not say so
        if (json.RootElement.TryGetProperty("version", out var said) && (said.ValueKind != JsonValueKind.Number || !said.TryGetInt32(out version)))
            throw new JsonException("its version is not a whole number");
        if (version == CurrentVersion) return;
        var remedy = version > CurrentVersion ? "use the Tessera that wrote it, or a newer one" : "use the Tessera that wrote it, or train the model anew";
        throw new ModelFileException($"{file} describes its model in version {version}, and this Tessera reads version {CurrentVersion}: {remedy}.");
    }
}

/// <summary>What restores hidden patches: all of a masked autoencoder but its encoder, and the masks it was trained with.</summary>
public sealed record ReconstructionHead : ReconstructionOptions
{
    /// <summary>The defaults.</summary>
    public ReconstructionHead() { }

    /// <summary>Of an autoencoder's shape, all but the encoder.</summary>
    [SetsRequiredMembers]
    public ReconstructionHead(ReconstructionOptions shape, MaskOptions mask) : base(shape) => Mask = mask;

    /// <summary>How much of a picture was hidden in training, and how the places were chosen.</summary>
    public required MaskOptions Mask { get; init; }
}

/// <summary>What names pictures: the classes of a linear layer on an encoder, <c>head.weight</c> and <c>head.bias</c>, and of their pictures' means, <c>class_means</c>.</summary>
public sealed record ClassHead : ClassSet
{
    /// <summary>What stands for a picture.</summary>
    public ClassPooling Pooling { get; init; }

    /// <summary>Everything that is wrong with it; empty where a classifier can be built.</summary>
    public IEnumerable<string> Faults(VisionTransformerOptions encoder)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        if (Names.Count == 0) yield return "there are no classes";
        if (Names.Count != Titles.Count) yield return $"there are {Names.Count} names of classes and {Titles.Count} titles";
        if (Names.GroupBy(n => n, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice) yield return $"the class '{twice.Key}' is named twice";
        if (Pooling == ClassPooling.Class && !encoder.ClassToken) yield return "its classes are told by a class token, which the encoder has not";
        if (Familiarity is { } known && !(known.Confidence is >= 0 and <= 1 && known.Similarity is >= -1 and <= 1))
            yield return $"the thresholds of what looks like no class are {known.Confidence} and {known.Similarity}: they must be 0 to 1 and -1 to 1";
    }
}

/// <summary>What a model was trained on, so that an evaluation draws the same split, and says where the pictures have changed since.</summary>
/// <param name="Source">The pictures, in words.</param>
/// <param name="Fingerprint">See <see cref="Imaging.ImageSource.Fingerprint"/>.</param>
/// <param name="SplitSeed">What the held-out pictures were drawn by.</param>
/// <param name="HoldOutDevelopment">Whether pictures were also held out of the training split, to develop on.</param>
/// <param name="Pictures">How many it was trained on.</param>
public sealed record DataFacts(string Source, string Fingerprint, ulong SplitSeed, bool HoldOutDevelopment, int Pictures);
