using System.Text.Json;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Weights.Layouts;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Weights;

/// <summary>A model in one safetensors file: its weights, and in the metadata all that is needed to build it. Files of other projects are read too, see <see cref="ModelImport"/>.</summary>
public static partial class ModelFile
{
    /// <summary>The name of a run's result within its folder.</summary>
    public const string ResultName = "model.safetensors";

    /// <summary>Hugging Face's name of weights in PyTorch's own format, within a model's folder; of safetensors, it is a run's.</summary>
    private const string HuggingFaceName = "pytorch_model.bin";

    /// <summary>The folder of a run's checkpoints within its own.</summary>
    internal const string CheckpointFolder = "checkpoints";

    /// <summary>The name of a link to the newest checkpoint, or of its copy, within the checkpoints' folder.</summary>
    internal const string LastCheckpointName = "last.safetensors";

    /// <summary>Writes a model; the file is replaced only when the new one is whole.</summary>
    /// <param name="file">Where; its folder exists.</param>
    /// <param name="model">The weights.</param>
    /// <param name="description">What the file says of them.</param>
    /// <param name="type">F32, F16 or BF16: what each value is rounded to, to the nearest and halves to even.</param>
    /// <exception cref="ArgumentException">Weights are not written as that type.</exception>
    /// <exception cref="SafetensorsException">The file cannot be written, or a value is too large for the type.</exception>
    public static void Save(string file, MaskedAutoencoder model, ModelDescription description, SafetensorsType type = SafetensorsType.F32) =>
        Save(file, Parameters(model), description, type);

    /// <summary>Writes an encoder alone; the file says that it has no head.</summary>
    /// <inheritdoc cref="Save(string, MaskedAutoencoder, ModelDescription, SafetensorsType)"/>
    public static void SaveEncoder(string file, VisionTransformer model, ModelDescription description, SafetensorsType type = SafetensorsType.F32) =>
        Save(file, Parameters(model).Select(p => (EncoderPrefix + p.Name, p.Value)), description with { Reconstruction = null, Classes = null }, type);

    /// <summary>Writes a classifier.</summary>
    /// <param name="file">Where; its folder exists.</param>
    /// <param name="model">The weights.</param>
    /// <param name="means">(K, D), the means of the classes' pictures, of length 1; null where they were not measured.</param>
    /// <param name="description">What the file says of them, with its classes.</param>
    /// <param name="type">F32, F16 or BF16: what each value is rounded to, to the nearest and halves to even.</param>
    /// <exception cref="SafetensorsException">The file cannot be written, or a value is too large for the type.</exception>
    public static void SaveClassifier(string file, Classifier model, Tensor? means, ModelDescription description, SafetensorsType type = SafetensorsType.F32) =>
        Save(file, means is null ? Parameters(model) : Parameters(model).Append((ClassMeans, means)), description with { Reconstruction = null }, type);

    /// <summary>Writes weights that a model is being trained with, but for what training alone needs: what the description does not tell of.</summary>
    internal static void Save(
        string file, IEnumerable<(string Name, Tensor Value)> weights, ModelDescription description, SafetensorsType type = SafetensorsType.F32)
    {
        try
        {
            SafetensorsWriter.Write(file, [.. weights.Where(w => Keeps(description, w.Name)).Select(w => ToFile(w.Name, w.Value, type))], Metadata(description));
        }
        catch (OverflowException e)
        {
            throw new SafetensorsException($"{file} cannot be written as {type}: {e.Message}", e);
        }
    }

    /// <summary>Writes a model anew, as another type and with more facts; what the file holds besides the model is left out.</summary>
    /// <param name="path">What <see cref="Find"/> takes.</param>
    /// <param name="file">Where to; it may be the same.</param>
    /// <param name="type">F32, F16 or BF16: what each value is rounded to, to the nearest and halves to even.</param>
    /// <param name="facts">Words by name that join the description's <see cref="ModelDescription.Training"/>, over those that are there.</param>
    /// <exception cref="ModelFileException">There is no such model, or it has neither a decoder nor classes.</exception>
    /// <exception cref="SafetensorsException">The file is damaged, or the other cannot be written.</exception>
    public static void Convert(string path, string file, SafetensorsType type, IReadOnlyDictionary<string, string> facts)
    {
        if (ModelInfo.Read(path).Description.Classes is not null)
        {
            using var classifier = LoadClassifier(path);
            SaveClassifier(file, classifier.Model, classifier.Means, WithFacts(classifier.Description), type);
            return;
        }
        using var loaded = Load(path);
        Save(file, loaded.Model, WithFacts(loaded.Description), type);

        ModelDescription WithFacts(ModelDescription description)
        {
            var training = new Dictionary<string, string>(description.Training);
            foreach (var (name, words) in facts) training[name] = words;
            return description with { Training = training };
        }
    }

    /// <summary>Loads a model with its weights.</summary>
    /// <param name="path">
    /// What <see cref="Find"/> takes: a run directory, a model's .safetensors file, a run's checkpoint, the name of a model that ships, or another project's file
    /// that says all that is needed (see <see cref="ModelImport"/>).
    /// </param>
    /// <param name="device">Where it shall run; null: the CPU.</param>
    /// <exception cref="ModelFileException">There is no such model there, or the file does not fit; the message says why.</exception>
    /// <exception cref="SafetensorsException">The file is damaged.</exception>
    /// <exception cref="PyTorch.PyTorchFileException">It is PyTorch's, and damaged or not weights alone.</exception>
    public static PretrainedModel Load(string path, Device? device = null)
    {
        using var source = ModelSource.Open(Find(path), new ImportOptions());
        return AutoencoderOf(source, device);
    }

    /// <summary>Loads the encoder alone, of a file with heads or without.</summary>
    /// <param name="path">As for <see cref="Load"/>.</param>
    /// <param name="device">Where it shall run; null: the CPU.</param>
    /// <param name="precision">The number format that it shall compute in.</param>
    /// <inheritdoc cref="Load"/>
    public static PretrainedEncoder LoadEncoder(string path, Device? device = null, Precision precision = Precision.Fp32)
    {
        using var source = ModelSource.Open(Find(path), AsItStands);
        return EncoderOf(source, device, precision);
    }

    /// <summary>Loads a classifier.</summary>
    /// <param name="path">As for <see cref="Load"/>.</param>
    /// <param name="device">Where it shall run; null: the CPU.</param>
    /// <param name="precision">The number format that its encoder shall compute in.</param>
    /// <exception cref="ModelFileException">There is no such model, or it knows no classes.</exception>
    /// <inheritdoc cref="Load"/>
    public static PretrainedClassifier LoadClassifier(string path, Device? device = null, Precision precision = Precision.Fp32)
    {
        using var source = ModelSource.Open(Find(path), AsItStands);
        var (classes, shape) = (source.Description.RequireClasses(source.File), source.Description.Encoder);
        source.RequireShapes(ModelTensors.OfClasses(classes, shape));
        var model = new Classifier(shape, classes.Pooling, classes.Names.Count);
        Fill(source, model, "", device);
        Tensor? means = null;
        try
        {
            if (classes.Familiarity is not null)
            {
                means = zeros(classes.Names.Count, shape.Width, device: device ?? CPU).DetachFromDisposeScope();
                source.Read(ClassMeans, means);
            }
        }
        catch
        {
            means?.Dispose();
            model.Dispose();
            throw;
        }
        if (ComputePrecision.Resolve(precision, device ?? CPU) == Precision.Bf16) model.Encoder.to(ScalarType.BFloat16);
        return new PretrainedClassifier(model, means, source.Description, source.File);
    }

    internal static PretrainedModel AutoencoderOf(ModelSource source, Device? device = null)
    {
        var shape = source.Description.RequireReconstruction(source.File);
        source.RequireShapes(ModelTensors.OfDecoder(source.Description));
        var model = new MaskedAutoencoder(shape);
        Fill(source, model, "", device);
        return new PretrainedModel(model, source.Description, source.File);
    }

    internal static PretrainedEncoder EncoderOf(ModelSource source, Device? device = null, Precision precision = Precision.Fp32)
    {
        var encoder = new VisionTransformer(source.Description.Encoder);
        Fill(source, encoder, EncoderPrefix, device);
        if (ComputePrecision.Resolve(precision, device ?? CPU) == Precision.Bf16) encoder.to(ScalarType.BFloat16);
        return new PretrainedEncoder(encoder, source.Description, source.File);
    }

    /// <summary>Another project's file where the encoder is what is asked for: a decoder counts where the file says all that it needs.</summary>
    internal static ImportOptions AsItStands { get; } = new() { DecoderIfSaid = true };

    /// <summary>
    /// Begins a model with another's weights: all of them where encoder and decoder fit, else the encoder's. The pictures' size may differ: sine-cosine
    /// positions are made anew, and learned ones resized.
    /// </summary>
    /// <param name="path">What <see cref="Find"/> takes.</param>
    /// <param name="model">Keeps the weights that it has where the file's do not fit.</param>
    /// <exception cref="ModelFileException">There is no model there, or its encoder is another; every difference is named.</exception>
    /// <exception cref="SafetensorsException">The file is damaged.</exception>
    public static InitialWeights LoadInto(string path, MaskedAutoencoder model)
    {
        using var source = ModelSource.Open(Find(path), AsItStands);
        return InitialWeights.Take(source, model);
    }

    /// <summary>
    /// The file that a MODEL string means: itself; in a run directory the result, or while there is none the checkpoint that
    /// <c>last.safetensors</c> names, or else the newest; and where there is no file or folder of that name, the model that ships under it.
    /// </summary>
    /// <param name="path">The string. A path that exists counts before a name.</param>
    /// <param name="shipped">The models that names mean; null: <see cref="ShippedModels.Default"/>.</param>
    /// <exception cref="ModelFileException">There is none.</exception>
    public static string Find(string path, ShippedModels? shipped = null)
    {
        if (File.Exists(path)) return path;
        if (!Directory.Exists(path)) return (shipped ??= ShippedModels.Default).Find(path) ?? throw NoSuchModel(path, shipped.Names);
        foreach (var name in new[] { ResultName, HuggingFaceName })
        {
            if (Path.Combine(path, name) is var result && File.Exists(result)) return result;
        }
        return LastCheckpoint(path) ?? Checkpoints(path).LastOrDefault()
            ?? throw new ModelFileException($"{path} holds no model: it has neither {ResultName} nor a checkpoint.");
    }

    /// <summary>A MODEL string by a name that holds from any folder: a path in full, and what may be the name of a model that ships as it is.</summary>
    public static string FullName(string path) => IsName(path) && !Path.Exists(path) ? path : Path.GetFullPath(path);

    private static bool IsName(string path) => Path.GetFileName(path) == path;

    private static ModelFileException NoSuchModel(string path, IReadOnlyList<string> names) => new(
        !IsName(path) ? $"There is no model at {path}: give a run directory, or a .safetensors or PyTorch file."
        : names.Count == 0 ? $"There is no model '{path}': give a run directory, or a .safetensors or PyTorch file; no model ships with this build."
        : $"There is no model '{path}': give a run directory, a .safetensors or PyTorch file, or the name of a model that ships: {string.Join(", ", names)}.");

    /// <summary>The checkpoints in a run's folder, oldest first.</summary>
    public static IEnumerable<string> Checkpoints(string folder)
    {
        var checkpoints = Path.Combine(folder, CheckpointFolder);
        return Directory.Exists(checkpoints)
            ? Directory.EnumerateFiles(checkpoints, "step-*.safetensors").Order(StringComparer.Ordinal)
            : [];
    }

    /// <summary>What the link means, or its copy; null where it leads nowhere or a copy was not finished.</summary>
    private static string? LastCheckpoint(string folder)
    {
        var link = Path.Combine(folder, CheckpointFolder, LastCheckpointName);
        if (!File.Exists(link)) return null;
        try
        {
            var file = new FileInfo(link).LinkTarget is { } target ? Path.Combine(folder, CheckpointFolder, target) : link;
            SafetensorsFile.Open(file).Dispose(); // its header is held against its length
            return file;
        }
        catch (SafetensorsException)
        {
            return null;
        }
    }

    internal static Dictionary<string, string> Metadata(ModelDescription description) => new()
    {
        ["format"] = "pt", // what the Python library calls a file whose tensors PyTorch can read
        [ModelDescription.MetadataKey] = JsonSerializer.Serialize(description, TesseraJson.Options),
    };

    /// <summary>Brings a model to a file's weights, or frees it.</summary>
    /// <remarks>Not generic: the runtime would load a type parameter's bound, and libtorch with it, wherever this class is used.</remarks>
    private static void Fill(ModelSource source, nn.Module module, string prefix, Device? device)
    {
        try
        {
            foreach (var (name, parameter) in Parameters(module)) source.Read(prefix + name, parameter);
            module.to(device ?? CPU);
        }
        catch
        {
            module.Dispose();
            throw;
        }
    }
}

/// <summary>A file that holds no model that can be loaded. The message says why.</summary>
public sealed class ModelFileException(string message, Exception? inner = null) : Exception(message, inner), INamesOptions
{
    /// <summary>What an import must be told, by the path of an option (<c>Import.Heads</c>); empty: it is not that.</summary>
    public IReadOnlyList<string> Options { get; init; } = [];
}

/// <summary>A model loaded from a file.</summary>
/// <param name="Model">The model with its weights.</param>
/// <param name="Description">What the file says of it.</param>
/// <param name="File">The file it came from.</param>
public sealed record PretrainedModel(MaskedAutoencoder Model, ModelDescription Description, string File) : IDisposable
{
    /// <summary>The masks it was trained with.</summary>
    public Masking.MaskOptions Mask => Description.Reconstruction!.Mask; // a file without a decoder is not loaded as this

    /// <summary>Frees the weights.</summary>
    public void Dispose() => Model.Dispose();
}

/// <summary>An encoder loaded from a file.</summary>
/// <param name="Encoder">The encoder with its weights.</param>
/// <param name="Description">What the file says of its model, the heads that were left there included.</param>
/// <param name="File">The file it came from.</param>
public sealed record PretrainedEncoder(VisionTransformer Encoder, ModelDescription Description, string File) : IDisposable
{
    /// <summary>How pictures are standardised for it.</summary>
    public PixelNormalization Normalization => Description.Normalization;

    /// <summary>Frees the weights.</summary>
    public void Dispose() => Encoder.Dispose();
}

/// <summary>A classifier loaded from a file.</summary>
/// <param name="Model">The model with its weights.</param>
/// <param name="Means">(K, D), of length 1: the means of the classes' pictures; null where the file has none.</param>
/// <param name="Description">What the file says of it.</param>
/// <param name="File">The file it came from.</param>
public sealed record PretrainedClassifier(Classifier Model, Tensor? Means, ModelDescription Description, string File) : IDisposable
{
    /// <summary>The classes.</summary>
    public ClassHead Classes => Description.Classes!; // a file without classes is not loaded as this

    /// <summary>How pictures are standardised for it.</summary>
    public PixelNormalization Normalization => Description.Normalization;

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        Means?.Dispose();
        Model.Dispose();
    }
}
