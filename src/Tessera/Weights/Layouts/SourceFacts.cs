using System.Text.Json;
using Tessera.Models;
using Tessera.Weights.PyTorch;

namespace Tessera.Weights.Layouts;

/// <summary>What is known of a model beyond its tensors' shapes. Nothing is guessed: what nobody says is null.</summary>
internal sealed record SourceFacts
{
    private const string ConfigName = "config.json", PreprocessorName = "preprocessor_config.json";
    private const int LargestConfig = 1 << 22;

    /// <summary>The description that an export of Tessera's left in the file.</summary>
    public ModelDescription? Exported { get; init; }

    public int? Width { get; init; }

    public int? Heads { get; init; }

    public int? DecoderHeads { get; init; }

    public double? NormEpsilon { get; init; }

    public (int Height, int Width)? Image { get; init; }

    public PixelNormalization? Normalization { get; init; }

    public ReconstructionTarget? Target { get; init; }

    public double? MaskRatio { get; init; }

    /// <summary>Everything that a file and those beside it say; what is said first counts.</summary>
    /// <exception cref="ModelFileException">A file beside it is no JSON, or tells of a model that cannot be built here.</exception>
    public static SourceFacts Of(TensorSource source, bool ofHuggingFace)
    {
        var said = source.Said is { } text ? OfExport(ModelDescription.Parse(source.File, text)) : new SourceFacts();
        var folder = Path.GetDirectoryName(Path.GetFullPath(source.File))!;
        var beside = ofHuggingFace ? OfConfig(Path.Combine(folder, ConfigName)).Or(OfPreprocessor(Path.Combine(folder, PreprocessorName))) : OfTimm(Path.Combine(folder, ConfigName));
        return said.Or(beside).Or(OfArguments(source.Root));
    }

    /// <summary>These, and where they are silent the others.</summary>
    private SourceFacts Or(SourceFacts other) => new()
    {
        Exported = Exported ?? other.Exported,
        Width = Width ?? other.Width,
        Heads = Heads ?? other.Heads,
        DecoderHeads = DecoderHeads ?? other.DecoderHeads,
        NormEpsilon = NormEpsilon ?? other.NormEpsilon,
        Image = Image ?? other.Image,
        Normalization = Normalization ?? other.Normalization,
        Target = Target ?? other.Target,
        MaskRatio = MaskRatio ?? other.MaskRatio,
    };

    private static SourceFacts OfExport(ModelDescription model) => new()
    {
        Exported = model,
        Heads = model.Encoder.Heads,
        DecoderHeads = model.Reconstruction?.DecoderHeads,
        NormEpsilon = model.Encoder.NormEpsilon,
        Image = (model.Encoder.ImageHeight, model.Encoder.ImageWidth),
        Normalization = model.Normalization,
        Target = model.Reconstruction?.Target,
        MaskRatio = model.Reconstruction?.Mask.Ratio,
    };

    /// <summary>Hugging Face's config.json of a ViT, a ViTMAE or a DINOv2.</summary>
    private static SourceFacts OfConfig(string file) => Read(file, root =>
    {
        if (Text(root, "model_type") is not ("vit" or "vit_mae" or "dinov2" or "dinov2_with_registers")) return new SourceFacts();
        if (Text(root, "hidden_act") is { } act && act != "gelu") throw new ModelFileException($"{file} tells of a model with the activation '{act}': only gelu is known.");
        return new SourceFacts
        {
            Width = Whole(root, "hidden_size"),
            Heads = Whole(root, "num_attention_heads"),
            DecoderHeads = Whole(root, "decoder_num_attention_heads"),
            NormEpsilon = Number(root, "layer_norm_eps"),
            Image = Size(root, "image_size"),
            Target = Flag(root, "norm_pix_loss") is { } normalized ? TargetOf(normalized) : null,
            MaskRatio = Number(root, "mask_ratio"),
        };
    });

    private static SourceFacts OfPreprocessor(string file) => Read(file, root => new SourceFacts
    {
        Normalization = Flag(root, "do_normalize") == false ? new PixelNormalization([0, 0, 0], [1, 1, 1]) : Normalizing(root, "image_mean", "image_std"),
    });

    /// <summary>The config.json of a model on timm's hub; its architecture's name tells the heads.</summary>
    private static SourceFacts OfTimm(string file) => Read(file, root =>
    {
        if (Text(root, "architecture") is not { } architecture) return new SourceFacts();
        var pretrained = root.TryGetProperty("pretrained_cfg", out var inner) && inner.ValueKind == JsonValueKind.Object ? inner : root;
        return OfName(architecture) with { Normalization = Normalizing(pretrained, "mean", "std") };
    });

    /// <summary>What a training of facebookresearch/mae kept of its arguments.</summary>
    private static SourceFacts OfArguments(PickledDictionary? root)
    {
        if (root?["args"] is not PickledObject { Type: PickleNames.Namespace, State: PickledDictionary arguments }) return new SourceFacts();
        var named = arguments["model"] is string name ? OfName(name) : new SourceFacts();
        return named with
        {
            Target = arguments["norm_pix_loss"] is bool normalized ? TargetOf(normalized) : null,
            MaskRatio = arguments["mask_ratio"] as double?,
        };
    }

    /// <summary>The size that a model's name in timm or mae says (vit_base_patch16_224, mae_vit_large_patch16): those names have these heads.</summary>
    private static SourceFacts OfName(string name)
    {
        var words = name.Split('_');
        var at = Array.IndexOf(words, "vit");
        if (at < 0 || at + 1 >= words.Length || VisionTransformerPreset.Find($"vit-{words[at + 1]}") is not { } preset) return new SourceFacts();
        return new SourceFacts { Width = preset.Width, Heads = preset.Heads, DecoderHeads = words[0] == "mae" ? preset.DecoderHeads : null };
    }

    private static ReconstructionTarget TargetOf(bool normalized) => normalized ? ReconstructionTarget.NormalizedPixels : ReconstructionTarget.Pixels;

    private static SourceFacts Read(string file, Func<JsonElement, SourceFacts> facts)
    {
        if (!File.Exists(file)) return new SourceFacts();
        try
        {
            if (new FileInfo(file).Length > LargestConfig) throw new JsonException("it is too long for one");
            using var json = JsonDocument.Parse(File.ReadAllBytes(file));
            return json.RootElement.ValueKind == JsonValueKind.Object ? facts(json.RootElement) : throw new JsonException("it is no object");
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new ModelFileException($"{file} lies beside the weights and cannot be read as their configuration ({e.Message.TrimEnd('.')}): mend it, or take it away.", e);
        }
    }

    private static string? Text(JsonElement root, string name) => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private static int? Whole(JsonElement root, string name) => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : null;

    private static double? Number(JsonElement root, string name) => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    private static bool? Flag(JsonElement root, string name) => root.TryGetProperty(name, out var value) && value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : null;

    private static (int, int)? Size(JsonElement root, string name) => !root.TryGetProperty(name, out var value) ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var side) ? (side, side)
        : Numbers(value) is [var height, var width] ? ((int)height, (int)width) : null;

    private static PixelNormalization? Normalizing(JsonElement root, string mean, string deviation) =>
        root.TryGetProperty(mean, out var means) && root.TryGetProperty(deviation, out var deviations) && Numbers(means) is { Length: > 0 } m && Numbers(deviations) is { } d && d.Length == m.Length
            ? new PixelNormalization(m, d) : null;

    private static double[]? Numbers(JsonElement value) => value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(v => v.ValueKind == JsonValueKind.Number)
        ? [.. value.EnumerateArray().Select(v => v.GetDouble())] : null;
}
