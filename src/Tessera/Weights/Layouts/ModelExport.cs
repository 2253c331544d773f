using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Weights.PyTorch;
using static TorchSharp.torch;

namespace Tessera.Weights.Layouts;

/// <summary>Writes a model as other projects read it. The tables of names are those that imports use.</summary>
/// <remarks>
/// Each file also carries the model's description, where its project does not look: an import needs no options then, and gives the same tensors.
/// </remarks>
public static class ModelExport
{
    /// <summary>Exports a model.</summary>
    /// <param name="path">What <see cref="ModelFile.Find"/> takes; another project's file too.</param>
    /// <param name="output">The file to write, whose ending says whether it is safetensors or PyTorch's; for Hugging Face, a folder.</param>
    /// <param name="format">Whose names.</param>
    /// <param name="type">F32, F16 or BF16: what each value is rounded to.</param>
    /// <exception cref="OptionsException">The format has no file of that ending.</exception>
    /// <exception cref="ModelFileException">There is no such model, or the format cannot hold it.</exception>
    /// <exception cref="SafetensorsException">A file is damaged, or cannot be written.</exception>
    /// <exception cref="PyTorchFileException">A file is damaged, or cannot be written.</exception>
    /// <exception cref="IOException">A file of a folder cannot be written; those that were there before stay then.</exception>
    public static ExportedModel Export(string path, string output, ExportFormat format, SafetensorsType type = SafetensorsType.F32)
    {
        ArgumentException.ThrowIfNullOrEmpty(output);
        RequireEnding(output, format);
        using var source = ModelSource.Open(ModelFile.Find(path), ModelFile.AsItStands);
        var made = format is ExportFormat.Tessera or ExportFormat.PyTorch ? OfOwnNames(source, type) : OfLayout(source, format, type);
        var files = format == ExportFormat.HuggingFace ? WriteFolder(output, made) : [WriteFile(output, made, format)];
        return new ExportedModel(source.File, format, files, made.Notes);
    }

    /// <summary>What is wrong with a file's name for a format, in words; null: nothing.</summary>
    public static string? NameFault(string output, ExportFormat format)
    {
        var (safetensors, pytorch) = (output.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase), IsPyTorch(output));
        return format switch
        {
            ExportFormat.Tessera when !safetensors => $"'{output}' is to hold a model of Tessera's: name a .safetensors file",
            ExportFormat.PyTorch when !pytorch => $"'{output}' is to hold a state dict of PyTorch's: name a .pth, .pt or .bin file",
            ExportFormat.HuggingFace when safetensors || pytorch => $"'{output}' is to hold weights and their configuration: name a folder",
            ExportFormat.Mae or ExportFormat.Timm when !safetensors && !pytorch => $"'{output}' is to hold weights: name a .safetensors, .pth, .pt or .bin file",
            _ => null,
        };
    }

    private static void RequireEnding(string output, ExportFormat format)
    {
        if (NameFault(output, format) is { } fault) throw new OptionsException([fault]);
    }

    private static bool IsPyTorch(string file) => Path.GetExtension(file).ToLowerInvariant() is ".pth" or ".pt" or ".bin";

    private static Made OfOwnNames(ModelSource source, SafetensorsType type) => new(source.Description, null,
        [.. source.Tensors.Select(t => Tensor(t.Name, source.Shape(t.Name)!, type, () => source.Values(t.Name, source.Shape(t.Name)!))).OrderBy(t => t.Name, StringComparer.Ordinal)], []);

    private static Made OfLayout(ModelSource source, ExportFormat format, SafetensorsType type)
    {
        List<string> notes = [];
        var description = Held(source, format, notes);
        var encoder = description.Encoder;
        var layout = format switch
        {
            ExportFormat.Mae => TensorLayout.OfMae,
            ExportFormat.Timm => TensorLayout.OfTimm,
            _ when encoder.LayerScale => TensorLayout.OfHuggingFaceDinoV2,
            _ when description.Reconstruction is not null => TensorLayout.OfHuggingFaceMae,
            _ => TensorLayout.OfHuggingFaceVit,
        };
        description = description with { Classes = ClassesIn(layout, description, notes) };
        var isWhole = layout == TensorLayout.OfHuggingFaceMae || layout == TensorLayout.OfHuggingFaceVit && description.Classes is not null;
        var inner = isWhole ? layout.Inner : ""; // an encoder alone stands by itself
        var place = new Place(layout, "", inner);
        var tensors = ModelTensors.Of(description).SelectMany(t => Rows(source, place, t.Name, t.Shape, type)).ToList();
        if (layout == TensorLayout.OfHuggingFaceDinoV2) // which the original's training hides patches by, and its code asks for
            tensors.Add(Tensor("embeddings.mask_token", [1, encoder.Width], type, () => new float[encoder.Width]));
        if (description.Classes is { } classes)
        {
            long[] shape = [classes.Names.Count, encoder.Width];
            tensors.Add(Tensor($"{HeadIn(layout)}.weight", shape, type, () => source.Values("head.weight", shape)));
            tensors.Add(Tensor($"{HeadIn(layout)}.bias", shape[..1], type, () => source.Values("head.bias", shape[..1])));
        }
        else if (layout == TensorLayout.OfHuggingFaceVit)
        {
            notes.Add("it has no pooler: load it with add_pooling_layer=False");
        }
        if (!place.IsHuggingFace && encoder.NormEpsilon != TransformerBlock.NormEpsilon)
            notes.Add(FormattableString.Invariant($"its norms add {encoder.NormEpsilon:g} to a variance, and the format has no place to say so: {layout.Name}'s own is 1e-6"));
        return new Made(description, layout, tensors, notes);
    }

    /// <summary>What of a model the format can hold; the notes say what it cannot.</summary>
    private static ModelDescription Held(ModelSource source, ExportFormat format, List<string> notes)
    {
        var description = source.Description;
        var encoder = description.Encoder;
        string? refused = (format, encoder) switch
        {
            (ExportFormat.Mae or ExportFormat.HuggingFace, { ClassToken: false }) => "it has no class token, and the format's encoder always has one",
            (ExportFormat.Mae, { LayerScale: true }) => "the format has no place for LayerScale",
            (ExportFormat.Mae, { RegisterTokens: > 0 }) => "the format has no place for register tokens",
            (ExportFormat.HuggingFace, { RegisterTokens: > 0, LayerScale: false }) => "the format has register tokens with LayerScale alone",
            _ => null,
        };
        if (refused is not null) throw new ModelFileException($"{source.File} cannot be written in {Word(format)}'s layout: {refused}. Choose timm's.");
        if (format == ExportFormat.Timm && !encoder.ClassToken && description.Classes is null) notes.Add("it has no class token: build it with class_token=False, global_pool='avg', fc_norm=False");
        if (format == ExportFormat.Timm && encoder.RegisterTokens > 0) notes.Add($"build it with reg_tokens={encoder.RegisterTokens}");
        if (format == ExportFormat.Timm && encoder.LayerScale) notes.Add("build it with init_values");
        if (description.Reconstruction is not { } head) return description;

        var reason = format == ExportFormat.Timm ? "timm's has none"
            : head.Placement == MaskPlacement.Encoder ? "its mask tokens join before the encoder, and the format's before the decoder"
            : head.MaskTokens > 1 ? $"it has {head.MaskTokens} mask tokens, and the format has one"
            : encoder.LayerScale ? "the format's DINOv2 has none"
            : null;
        if (reason is null) return description;
        notes.Add($"the encoder alone is written, without the decoder: {reason}");
        return description with { Reconstruction = null };
    }

    /// <summary>The classes, where the layout has a classifier that pools as this one does; without thresholds, for which none has a place.</summary>
    private static ClassHead? ClassesIn(TensorLayout layout, ModelDescription description, List<string> notes)
    {
        if (description.Classes is not { } classes) return null;
        var reason = layout == TensorLayout.OfTimm || layout == TensorLayout.OfHuggingFaceVit && classes.Pooling == ClassPooling.Class ? null
            : layout == TensorLayout.OfHuggingFaceVit ? "it is told by the mean of the patch tokens, and the format's ViT by the class token"
            : layout == TensorLayout.OfHuggingFaceDinoV2 ? "the format's DINOv2 is told by the class token and the mean of the patch tokens together"
            : "the format has none";
        if (reason is not null)
        {
            notes.Add($"the encoder alone is written, without the layer that names classes: {reason}");
            return null;
        }
        if (layout == TensorLayout.OfTimm)
        {
            var (pool, token) = (classes.Pooling == ClassPooling.Class ? "global_pool='token'" : "global_pool='avg', fc_norm=False", description.Encoder.ClassToken ? "" : ", class_token=False");
            notes.Add($"build it with num_classes={classes.Names.Count}, {pool}{token}; the classes' names are in the file's metadata");
        }
        if (classes.Familiarity is not null) notes.Add("what tells that a picture looks like no class, the classes' means and the thresholds, is left out: the format has no place for it");
        return classes with { Familiarity = null };
    }

    private static string HeadIn(TensorLayout layout) => layout == TensorLayout.OfTimm ? "head" : "classifier";

    private static IEnumerable<SafetensorsTensor> Rows(ModelSource source, Place place, string ours, long[] shape, SafetensorsType type)
    {
        var row = place.Layout.Find(ours)!;
        var own = shape; // what is written may have another
        var values = () => ModelTensors.IsPositions(ours) ? Positions(source, ours, own, place.Layout) : source.Values(ours, own);
        if (ours == "mask_tokens.weight") shape = [1, .. shape];
        if (ModelTensors.IsPositions(ours) && place.Layout == TensorLayout.OfTimm) shape = [1, shape[1] + source.Description.Encoder.RegisterTokens, shape[2]];
        if (row.Theirs.Count == 1) return [Tensor(place.NameOf(ours, row.Theirs[0]), shape, type, values)];
        long[] part = [shape[0] / row.Theirs.Count, .. shape[1..]];
        var length = (int)part.Aggregate(1L, (product, side) => product * side);
        return row.Theirs.Select((theirs, i) => Tensor(place.NameOf(ours, theirs), part, type, () => values().AsSpan(i * length, length).ToArray()));
    }

    /// <summary>Positions as a table, whether they are learned or made; timm's has rows of registers too.</summary>
    private static float[] Positions(ModelSource source, string ours, long[] shape, TensorLayout layout)
    {
        var (encoder, width) = (source.Description.Encoder, (int)shape[^1]);
        float[] table = encoder.Positions == PositionEmbedding.Learned ? source.Values(ours, shape)
            : [.. new float[encoder.ClassToken ? width : 0], .. SinCosPositions.Values(encoder.GridHeight, encoder.GridWidth, width)];
        if (layout != TensorLayout.OfTimm || encoder.RegisterTokens == 0) return table;
        var first = encoder.ClassToken ? width : 0;
        return [.. table[..first], .. new float[encoder.RegisterTokens * width], .. table[first..]];
    }

    private static SafetensorsTensor Tensor(string name, long[] shape, SafetensorsType type, Func<float[]> values) => new(name, type, shape, stream =>
    {
        using var held = tensor(values(), shape);
        ModelFile.ToFile(name, held, type).WriteContent(stream);
    });

    private static string WriteFile(string output, Made made, ExportFormat format)
    {
        if (IsPyTorch(output)) PyTorchWriter.Write(output, made.Tensors, format == ExportFormat.Mae ? "model" : null, Json(made.Description));
        else SafetensorsWriter.Write(output, made.Tensors, format == ExportFormat.Tessera ? ModelFile.Metadata(made.Description) : Exported(made.Description));
        return output;
    }

    private static string[] WriteFolder(string output, Made made)
    {
        Directory.CreateDirectory(output);
        var (weights, config, pictures) = (Path.Combine(output, ModelFile.ResultName), Path.Combine(output, "config.json"), Path.Combine(output, "preprocessor_config.json"));
        WholeFile.WriteTogether( // a loader takes what the configuration says of whatever weights lie beside it
            (weights, SafetensorsWriter.Content(weights, made.Tensors, Exported(made.Description)).Write),
            (config, Text(HuggingFaceConfig.Of(made.Description, made.Layout!))),
            (pictures, Text(HuggingFaceConfig.Preprocessing(made.Description))));
        return [weights, config, pictures];

        static Action<FileStream> Text(JsonNode json) => stream => stream.Write(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(json, TesseraJson.Options) + "\n"));
    }

    private static Dictionary<string, string> Exported(ModelDescription description) => new() { ["format"] = "pt", [ModelDescription.ExportedKey] = Json(description) };

    private static string Json(ModelDescription description) => JsonSerializer.Serialize(description, TesseraJson.Options);

    private static string Word(ExportFormat format) => format == ExportFormat.Mae ? TensorLayout.OfMae.Name : "Hugging Face";

    private sealed record Made(ModelDescription Description, TensorLayout? Layout, IReadOnlyList<SafetensorsTensor> Tensors, IReadOnlyList<string> Notes);
}

/// <summary>Whose names, and which files.</summary>
public enum ExportFormat
{
    /// <summary>Tessera's own, in safetensors: loads with no other file.</summary>
    Tessera,

    /// <summary>facebookresearch/mae's, encoder and decoder: safetensors, or PyTorch's file with the state dict under <c>model</c>.</summary>
    Mae,

    /// <summary>timm's, the encoder: safetensors, or a state dict in PyTorch's file.</summary>
    Timm,

    /// <summary>A folder in Hugging Face's manner: <c>model.safetensors</c>, <c>config.json</c> and <c>preprocessor_config.json</c>, of ViTMAE, ViT or DINOv2.</summary>
    [JsonStringEnumMemberName("huggingface")]
    HuggingFace,

    /// <summary>Tessera's own names as a state dict in PyTorch's file.</summary>
    [JsonStringEnumMemberName("pytorch")]
    PyTorch,
}

/// <summary>What was exported.</summary>
/// <param name="File">The model's file.</param>
/// <param name="Format">Whose names.</param>
/// <param name="Files">What was written.</param>
/// <param name="Notes">What was left out, and what its reader must know, a sentence each.</param>
public sealed record ExportedModel(string File, ExportFormat Format, IReadOnlyList<string> Files, IReadOnlyList<string> Notes);
