using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Tessera.Weights.PyTorch;

namespace Tessera.Weights.Layouts;

/// <summary>Tensors of a file by name, whether it is safetensors or PyTorch's own format.</summary>
internal abstract class TensorSource : IDisposable
{
    private TensorSource(string file) => File = file;

    public string File { get; }

    public abstract IReadOnlyDictionary<string, TensorFact> Tensors { get; }

    /// <summary>What Tessera wrote of the model beside its tensors, in a file of its own names or of another layout's; null: nothing.</summary>
    public abstract string? Said { get; }

    /// <summary>Whether the tensors have our names: a file that was exported tells of the model too, under another's.</summary>
    public abstract bool IsOwn { get; }

    /// <summary>What else was saved beside the tensors, such as a training's arguments; null: the format has no place for it.</summary>
    public abstract PickledDictionary? Root { get; }

    /// <summary>Values that the file's bytes hold, whatever tensors claim to show of them.</summary>
    public abstract long Held { get; }

    public abstract void Read(string name, Span<byte> destination);

    public abstract void Dispose();

    /// <summary>Opens a file of either kind, told apart by its first bytes.</summary>
    /// <exception cref="SafetensorsException">It is neither, or damaged.</exception>
    /// <exception cref="PyTorchFileException">It is PyTorch's, and damaged or not weights alone.</exception>
    public static TensorSource Open(string file) => IsPyTorch(file) ? new OfPyTorch(file, PyTorchFile.Open(file)) : new OfSafetensors(file, SafetensorsFile.Open(file));

    /// <summary>A tensor's values in fp32, row-major. F64 is rounded; the others are held exactly.</summary>
    /// <exception cref="ModelFileException">It is of a type that weights are not read as.</exception>
    public float[] Values(string name)
    {
        var fact = Tensors[name];
        var count = checked((int)fact.Values);
        if (fact.Type == SafetensorsType.F32)
        {
            var values = new float[count];
            Read(name, MemoryMarshal.AsBytes(values.AsSpan()));
            return values;
        }
        RequireType(fact);
        var bytes = new byte[checked(count * fact.Type.ElementBytes())];
        Read(name, bytes);
        var converted = new float[count];
        for (var i = 0; i < count; i++)
        {
            converted[i] = fact.Type switch
            {
                SafetensorsType.F16 => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes.AsSpan(2 * i)),
                SafetensorsType.BF16 => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(2 * i)) << 16),
                _ => (float)BinaryPrimitives.ReadDoubleLittleEndian(bytes.AsSpan(8 * i)),
            };
        }
        return converted;
    }

    /// <exception cref="ModelFileException">It is of a type that weights are not read as.</exception>
    public void RequireType(TensorFact fact)
    {
        if (fact.Type is not (SafetensorsType.F32 or SafetensorsType.F16 or SafetensorsType.BF16 or SafetensorsType.F64))
            throw new ModelFileException($"{File}: the tensor {fact.Name} is {fact.Type.NameInFiles()}, and weights are read as F32, F16, BF16 or F64 alone: convert it.");
    }

    private static bool IsPyTorch(string file)
    {
        try
        {
            using var handle = System.IO.File.OpenHandle(file);
            Span<byte> start = stackalloc byte[16];
            var read = RandomAccess.Read(handle, start, 0);
            // A safetensors header may begin with any length, but its ninth byte opens the JSON.
            return PyTorchFile.IsLike(start[..read]) && !(read > SafetensorsHeader.PrefixBytes && start[SafetensorsHeader.PrefixBytes] == '{');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false; // opening it as safetensors says what is wrong
        }
    }

    private sealed class OfSafetensors(string file, SafetensorsFile weights) : TensorSource(file)
    {
        public override IReadOnlyDictionary<string, TensorFact> Tensors { get; } =
            weights.Entries.Values.ToDictionary(e => e.Name, e => new TensorFact(e.Name, e.Type, e.Shape));

        public override string? Said => weights.Metadata.GetValueOrDefault(ModelDescription.MetadataKey) ?? weights.Metadata.GetValueOrDefault(ModelDescription.ExportedKey);

        public override bool IsOwn => weights.Metadata.ContainsKey(ModelDescription.MetadataKey);

        public override PickledDictionary? Root => null;

        public override long Held => weights.Entries.Values.Sum(e => e.Length / e.Type.ElementBytes());

        public override void Read(string name, Span<byte> destination) => weights.Read(name, destination);

        public override void Dispose() => weights.Dispose();
    }

    private sealed class OfPyTorch(string file, PyTorchFile weights) : TensorSource(file)
    {
        public override IReadOnlyDictionary<string, TensorFact> Tensors { get; } =
            weights.Entries.Values.ToDictionary(e => e.Name, e => new TensorFact(e.Name, e.Type, e.Shape));

        public override string? Said => weights.Description;

        public override bool IsOwn => Said is not null && Tensors.ContainsKey(TensorLayout.Projection);

        public override PickledDictionary? Root => weights.Root as PickledDictionary;

        public override long Held => weights.StoredBytes / 2; // as if all were of two bytes: it bounds what a file may claim, no more

        public override void Read(string name, Span<byte> destination) => weights.Read(name, destination);

        public override void Dispose() => weights.Dispose();
    }
}

/// <summary>A tensor as a file tells it.</summary>
internal sealed record TensorFact(string Name, SafetensorsType Type, long[] Shape)
{
    public long Values => Shape.Aggregate(1L, (product, side) => product * side);
}
