using System.Text;

namespace Tessera.Weights.PyTorch;

/// <summary>What calls in a pickle amount to, worked out here: nothing of the file's is run.</summary>
internal static class PickleConstruction
{
    /// <summary>No tensor library goes further.</summary>
    private const int MostDimensions = 64;

    /// <summary>What a known name, called with those arguments, would give.</summary>
    /// <exception cref="InvalidDataException">The arguments are not what PyTorch writes.</exception>
    public static object? Call(string name, object?[] arguments) => name switch
    {
        "torch._utils._rebuild_tensor" when arguments is [PickledStorage storage, var offset, var size, var stride, ..] =>
            Tensor(storage, Typed(storage), offset, size, stride),
        "torch._utils._rebuild_tensor_v2" when arguments is [PickledStorage storage, var offset, var size, var stride, ..] =>
            Tensor(storage, Typed(storage), offset, size, stride),
        "torch._utils._rebuild_tensor_v3" when arguments is [PickledStorage storage, var offset, var size, var stride, _, _, PickledName type, ..] =>
            Tensor(storage, PickleNames.ElementType(type.Name) ?? throw Wrong($"{Quoted.Of(type.Name)} is no type of elements"), offset, size, stride),
        "torch._utils._rebuild_parameter" or "torch._utils._rebuild_parameter_with_state" when arguments is [PickledTensor data, ..] => data,
        "torch.Size" or "builtins.tuple" or "__builtin__.tuple" => Sequence(name, arguments).ToArray(),
        "builtins.set" or "__builtin__.set" or "builtins.frozenset" or "__builtin__.frozenset" or "builtins.list" or "__builtin__.list" =>
            new List<object?>(Sequence(name, arguments)),
        "collections.OrderedDict" or "collections.Counter" or "builtins.dict" or "__builtin__.dict" => Dictionary(name, arguments),
        "collections.defaultdict" => Dictionary(name, arguments.Skip(1).ToArray()),
        "_codecs.encode" when arguments is [string text, string encoding] && encoding is "latin1" or "latin-1" => Bytes(text),
        "copyreg._reconstructor" or "copy_reg._reconstructor" when arguments is [PickledName type, ..] => Call(type.Name, []),
        _ when name.StartsWith("torch._utils.", StringComparison.Ordinal) || name.EndsWith("_reconstructor", StringComparison.Ordinal) || name == "_codecs.encode" =>
            throw Wrong($"{name} is given what PyTorch does not give it"),
        _ when PickleNames.StorageType(name) is not null || PickleNames.ElementType(name) is not null || name.EndsWith("Storage", StringComparison.Ordinal) =>
            throw Wrong($"{name} is called, which PyTorch's files never do"),
        _ => new PickledObject(name, arguments),
    };

    /// <summary>A whole number that a pickle holds.</summary>
    /// <exception cref="InvalidDataException">It is none.</exception>
    public static long Whole(object? value, string what) => value is long number ? number : throw Wrong($"{what} is no whole number");

    internal static InvalidDataException Wrong(string what) => new(what);

    private static SafetensorsType Typed(PickledStorage storage) => storage.Type ?? throw Wrong("a tensor has no type of elements");

    private static PickledTensor Tensor(PickledStorage storage, SafetensorsType type, object? offset, object? size, object? stride)
    {
        var bytes = (storage.Type is { } stored ? stored.ElementBytes() : 1);
        var (first, shape, strides) = (Whole(offset, "a tensor's offset"), Numbers(size, "a tensor's shape"), Numbers(stride, "a tensor's strides"));
        // Elements of the tensor's own type that the storage has.
        var (begin, count) = (storage.First * bytes / type.ElementBytes(), (Int128)storage.Count * bytes / type.ElementBytes());
        if (shape.Length != strides.Length) throw Wrong($"a tensor of {shape.Length} sides has {strides.Length} strides");
        if (first < 0 || shape.Any(side => side < 0) || strides.Any(step => step < 0))
            throw Wrong($"a tensor of shape {Quoted.Shape(shape)} has a negative offset, side or stride");
        Int128 elements = 1, last = first;
        foreach (var (side, step) in shape.Zip(strides))
        {
            elements *= side;
            last += (Int128)Math.Max(0, side - 1) * step;
            if (elements > count || (last > count && !shape.Contains(0))) break;
        }
        if (shape.Contains(0)) return new PickledTensor(storage, type, begin, shape, strides);
        if (elements > count || last >= count)
        {
            throw Wrong($"a tensor of shape {Quoted.Shape(shape)} and strides {Quoted.Shape(strides)} from element {first} on reaches beyond its storage {Quoted.Of(storage.Key)} "
                + $"of {count} elements, or repeats elements of it");
        }
        return new PickledTensor(storage, type, begin + first, shape, strides);
    }

    private static long[] Numbers(object? value, string what) => value is object?[] { Length: <= MostDimensions } sides
        ? [.. sides.Select(side => Whole(side, what))]
        : throw Wrong($"{what} is no tuple of at most {MostDimensions} numbers");

    private static IEnumerable<object?> Sequence(string name, object?[] arguments) => arguments switch
    {
        [] => [],
        [List<object?> items] => items,
        [object?[] items] => items,
        _ => throw Wrong($"{name} is given what is no list"),
    };

    private static PickledDictionary Dictionary(string name, object?[] arguments)
    {
        var made = new PickledDictionary();
        if (arguments is [PickledDictionary other])
        {
            foreach (var (key, value) in other.Items) made.Set(key, value);
            return made;
        }
        foreach (var pair in Sequence(name, arguments))
        {
            var parts = pair as IReadOnlyList<object?>; // a tuple or a list
            if (parts is not { Count: 2 }) throw Wrong($"{name} is given what are no pairs");
            made.Set(parts[0], parts[1]);
        }
        return made;
    }

    private static byte[] Bytes(string text) =>
        text.All(c => c <= byte.MaxValue) ? Encoding.Latin1.GetBytes(text) : throw Wrong("bytes are written as text that is no Latin-1");
}
