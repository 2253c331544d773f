using System.Diagnostics.CodeAnalysis;
using Tessera.Models;
using Tessera.Weights.Layouts;
using static TorchSharp.torch;

namespace Tessera.Weights;

// A model's tensors into a file and out of one: their names and types.
public static partial class ModelFile
{
    /// <summary>What a checkpoint puts before the names of a model's tensors.</summary>
    internal const string CheckpointPrefix = "model.";

    /// <summary>What stands before the names of the encoder's tensors.</summary>
    internal const string EncoderPrefix = "encoder.";

    private const string ProjectorPrefix = $"{ProjectionHead.Name}.";

    /// <summary>What stands before the names of a classifier's layer.</summary>
    internal const string HeadPrefix = "head.";

    /// <summary>(K, D): the mean of each class's pictures, as what stands for a picture, of length 1.</summary>
    internal const string ClassMeans = "class_means";

    /// <summary>Whether a result with that description holds a tensor of what was trained: what training alone needs, it does not.</summary>
    internal static bool Keeps(ModelDescription description, string name) =>
        name.StartsWith(EncoderPrefix, StringComparison.Ordinal)
        || (name.StartsWith(HeadPrefix, StringComparison.Ordinal) || name == ClassMeans ? description.Classes is not null
            : description.Reconstruction is not null && !name.StartsWith(ProjectorPrefix, StringComparison.Ordinal));

    /// <summary>What stands before the names of the model's tensors in this file.</summary>
    internal static string Prefix(IEnumerable<string> names) => names.Any(k => k.StartsWith(CheckpointPrefix, StringComparison.Ordinal)) ? CheckpointPrefix : "";

    /// <summary>What is learned and kept, by name, sorted so that files repeat bit for bit. Fixed positions are made anew, not stored.</summary>
    internal static IEnumerable<(string Name, Tensor Value)> Parameters(nn.Module model) =>
        model.named_parameters().Where(p => !p.name.StartsWith(ProjectorPrefix, StringComparison.Ordinal)).OrderBy(p => p.name, StringComparer.Ordinal).Select(p => (p.name, (Tensor)p.parameter));

    /// <summary>A tensor as it goes into a file, fetched from its device when its turn comes.</summary>
    /// <exception cref="ArgumentException">Weights are not written as that type.</exception>
    internal static SafetensorsTensor ToFile(string name, Tensor value, SafetensorsType type = SafetensorsType.F32)
    {
        var format = InMemory(type) ?? throw new ArgumentException($"Weights are written as F32, F16 or BF16, not {type.NameInFiles()}.", nameof(type));
        return new(name, type, value.shape, stream =>
        {
            using var scope = NewDisposeScope();
            var values = value.detach().to(ScalarType.Float32, CPU);
            var rounded = values.to(format);
            if (format != ScalarType.Float32) RequireHeld(name, values, rounded, type);
            stream.Write(rounded.contiguous().bytes);
        });
    }

    /// <summary>Reads one tensor of a file into one that exists, on any device, as that one's type.</summary>
    internal static void Read(string file, SafetensorsFile weights, string name, Tensor target)
    {
        var fact = weights.Entries.TryGetValue(name, out var entry) ? new TensorFact(name, entry.Type, entry.Shape) : null;
        RequireFit(file, fact, name, target);
        Fill(target, fact, destination => weights.Read(name, destination));
    }

    /// <summary>Brings a tensor that exists, on any device, to what is read.</summary>
    internal static void Fill(Tensor target, TensorFact fact, Action<Span<byte>> read)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var values = empty(fact.Shape, dtype: InMemory(fact.Type));
        read(values.bytes);
        target.copy_(values);
    }

    /// <summary>Brings a tensor that exists, on any device, to values in fp32.</summary>
    internal static void Fill(Tensor target, float[] values)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        target.copy_(tensor(values, target.shape));
    }

    /// <summary>Makes sure that a tensor can be read into one that exists.</summary>
    internal static void RequireFit(string file, [NotNull] TensorFact? entry, string name, Tensor target)
    {
        if (entry is null)
            throw new ModelFileException($"{file} lacks the tensor {name}, which its model needs.");
        if (InMemory(entry.Type) is null)
            throw new ModelFileException($"{file}: the tensor {name} is {entry.Type.NameInFiles()}, and weights are read as F32, F16 or BF16 alone: convert it.");
        if (!entry.Shape.AsSpan().SequenceEqual(target.shape))
            throw new ModelFileException($"{file}: the tensor {name} is {Quoted.Shape(entry.Shape)}, and its model needs {Quoted.Shape(target.shape)}.");
    }

    /// <summary>The types of weights, each of which fp32 holds exactly; null for the others.</summary>
    private static ScalarType? InMemory(SafetensorsType type) => type switch
    {
        SafetensorsType.F32 => ScalarType.Float32,
        SafetensorsType.F16 => ScalarType.Float16,
        SafetensorsType.BF16 => ScalarType.BFloat16,
        _ => null,
    };

    private static void RequireHeld(string name, Tensor values, Tensor rounded, SafetensorsType type)
    {
        using var scope = NewDisposeScope();
        var lost = rounded.isinf().logical_and(values.isfinite());
        if (!lost.any().item<bool>()) return;
        var largest = values.masked_select(lost).abs().max().item<float>();
        var remedy = type == SafetensorsType.F16 ? "write F32 or BF16" : "write F32";
        throw new OverflowException(FormattableString.Invariant($"its tensor {name} holds a value of size {largest:g6}, which would become infinite; {remedy}."));
    }
}
