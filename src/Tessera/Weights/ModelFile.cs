using System.Text.Json;
using Tessera.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Weights;

/// <summary>A model in one safetensors file: its weights, and in the metadata all that is needed to build it.</summary>
public static class ModelFile
{
    /// <summary>The name of a run's result within its folder.</summary>
    public const string ResultName = "model.safetensors";

    /// <summary>The folder of a run's checkpoints within its own.</summary>
    internal const string CheckpointFolder = "checkpoints";

    /// <summary>Writes a model beside <paramref name="file"/> and renames it over.</summary>
    /// <exception cref="SafetensorsException">The file cannot be written.</exception>
    public static void Save(string file, MaskedAutoencoder model, ModelDescription description) =>
        Save(file, Parameters(model), description);

    /// <summary>Writes weights that a model is being trained with, in fp32.</summary>
    internal static void Save(string file, IEnumerable<(string Name, Tensor Value)> weights, ModelDescription description) =>
        SafetensorsWriter.Write(file, [.. weights.Select(w => ToFile(w.Name, w.Value))], Metadata(description));

    /// <summary>Loads a model with its weights.</summary>
    /// <param name="path">A run directory, a model's .safetensors file, or a run's checkpoint.</param>
    /// <param name="device">Where it shall run; null: the CPU.</param>
    /// <exception cref="ModelFileException">There is no model there, or the file does not fit; the message says why.</exception>
    /// <exception cref="SafetensorsException">The file is damaged.</exception>
    public static PretrainedModel Load(string path, Device? device = null)
    {
        var file = Find(path);
        using var weights = SafetensorsFile.Open(file);
        var description = Describe(file, weights);
        RequireClaimedSize(file, weights, description.Architecture);
        var model = new MaskedAutoencoder(description.Architecture);
        try
        {
            var prefix = weights.Entries.ContainsKey(CheckpointPrefix + "mask_tokens.weight") ? CheckpointPrefix : "";
            foreach (var (name, parameter) in Parameters(model)) Read(file, weights, prefix + name, parameter);
            return new PretrainedModel(model.to(device ?? CPU), description, file);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The file that a MODEL string means: itself, or in a run directory the result, or while there is none the newest checkpoint.</summary>
    /// <exception cref="ModelFileException">There is none.</exception>
    public static string Find(string path)
    {
        if (File.Exists(path)) return path;
        if (!Directory.Exists(path)) throw new ModelFileException($"There is no model at {path}: give a run directory or a .safetensors file.");
        var result = Path.Combine(path, ResultName);
        if (File.Exists(result)) return result;
        return Checkpoints(path).LastOrDefault()
            ?? throw new ModelFileException($"{path} holds no model: it has neither {ResultName} nor a checkpoint.");
    }

    /// <summary>The checkpoints in a run's folder, oldest first.</summary>
    public static IEnumerable<string> Checkpoints(string folder)
    {
        var checkpoints = Path.Combine(folder, CheckpointFolder);
        return Directory.Exists(checkpoints)
            ? Directory.EnumerateFiles(checkpoints, "step-*.safetensors").Order(StringComparer.Ordinal)
            : [];
    }

    /// <summary>Reads what a file says of its model, without its weights and without libtorch.</summary>
    /// <exception cref="ModelFileException">It says nothing, or something that this version does not know.</exception>
    public static ModelDescription Describe(string file, SafetensorsFile weights)
    {
        if (!weights.Metadata.TryGetValue(ModelDescription.MetadataKey, out var text))
            throw new ModelFileException($"{file} does not say what model it holds: its metadata lacks '{ModelDescription.MetadataKey}', so Tessera did not write it.");
        try
        {
            var description = JsonSerializer.Deserialize<ModelDescription>(text, ModelDescription.Json) ?? throw new JsonException("it is null");
            var faults = description.Architecture.Faults().ToList();
            return faults.Count == 0 ? description : throw new JsonException(string.Join("; ", faults));
        }
        catch (JsonException e)
        {
            throw new ModelFileException($"{file} describes its model in a way that this version cannot build ({e.Message}): use the version that wrote it, or a newer one.", e);
        }
    }

    /// <summary>Refuses a description that claims more than the file holds, before memory is taken on its word.</summary>
    private static void RequireClaimedSize(string file, SafetensorsFile weights, MaskedAutoencoderOptions claimed)
    {
        var (parameters, held) = (TransformerCost.Parameters(claimed), weights.Entries.Values.Sum(e => e.Length) / sizeof(float));
        // Twice, for a file that lacks a tensor, or has one in another format, is told which, and costs no more memory than this until then.
        if (parameters > 2 * (Int128)held)
            throw new ModelFileException($"{file} claims a model of {parameters:n0} parameters and holds {held:n0}: it is not whole, or its metadata is wrong.");
    }

    /// <summary>What a checkpoint puts before the names of a model's tensors.</summary>
    internal const string CheckpointPrefix = "model.";

    internal static Dictionary<string, string> Metadata(ModelDescription description) => new()
    {
        ["format"] = "pt", // what the Python library calls a file whose tensors PyTorch can read
        [ModelDescription.MetadataKey] = JsonSerializer.Serialize(description, ModelDescription.Json),
    };

    /// <summary>What is learned, by name, sorted so that files repeat bit for bit. Fixed positions are made anew, not stored.</summary>
    internal static IEnumerable<(string Name, Tensor Value)> Parameters(nn.Module model) =>
        model.named_parameters().OrderBy(p => p.name, StringComparer.Ordinal).Select(p => (p.name, (Tensor)p.parameter));

    /// <summary>A tensor as it goes into a file, fetched from its device when its turn comes.</summary>
    internal static SafetensorsTensor ToFile(string name, Tensor value) => new(name, SafetensorsType.F32, value.shape, stream =>
    {
        using var scope = NewDisposeScope();
        stream.Write(value.detach().to(ScalarType.Float32, CPU).contiguous().bytes);
    });

    /// <summary>Reads one tensor of a file into one that exists, on any device.</summary>
    internal static void Read(string file, SafetensorsFile weights, string name, Tensor target)
    {
        if (!weights.Entries.TryGetValue(name, out var entry))
            throw new ModelFileException($"{file} lacks the tensor {name}, which its model needs.");
        if (entry.Type != SafetensorsType.F32 || !entry.Shape.AsSpan().SequenceEqual(target.shape))
            throw new ModelFileException($"{file}: the tensor {name} is {entry.Type} ({string.Join(", ", entry.Shape)}), and its model needs F32 ({string.Join(", ", target.shape)}).");
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var values = empty(target.shape);
        weights.Read(name, values.bytes);
        target.copy_(values);
    }
}

/// <summary>A file that holds no model that can be loaded. The message says why.</summary>
public sealed class ModelFileException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A model loaded from a file.</summary>
/// <param name="Model">The model with its weights.</param>
/// <param name="Description">What the file says of it.</param>
/// <param name="File">The file it came from.</param>
public sealed record PretrainedModel(MaskedAutoencoder Model, ModelDescription Description, string File) : IDisposable
{
    /// <summary>Frees the weights.</summary>
    public void Dispose() => Model.Dispose();
}
