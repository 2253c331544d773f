namespace Tessera.Weights.PyTorch;

// What a pickle's objects become here: facts without behaviour. Beside these stand null, bool, long, BigInteger, double, string, byte[],
// object?[] (a tuple) and List<object?> (a list or a set).

/// <summary>A dictionary in the order in which it was filled. Only text is looked up: other keys are kept and never hashed.</summary>
internal sealed class PickledDictionary
{
    private readonly List<KeyValuePair<object?, object?>> items = [];
    private Dictionary<string, int>? places;

    public IReadOnlyList<KeyValuePair<object?, object?>> Items => items;

    /// <summary>The value at that key; null: there is none.</summary>
    public object? this[string key] => places is not null && places.TryGetValue(key, out var place) ? items[place].Value : null;

    public void Set(object? key, object? value)
    {
        var item = KeyValuePair.Create(key, value);
        if (key is string text && !(places ??= []).TryAdd(text, items.Count)) items[places[text]] = item;
        else items.Add(item);
    }
}

/// <summary>A class or a function that a pickle names and that is known to be harmless: its name alone.</summary>
internal sealed record PickledName(string Name);

/// <summary>What a class would have been called with, and the state it would have been given.</summary>
internal sealed class PickledObject(string type, IReadOnlyList<object?> arguments)
{
    /// <summary>The class, such as <c>argparse.Namespace</c>.</summary>
    public string Type { get; } = type;

    public IReadOnlyList<object?> Arguments { get; } = arguments;

    public object? State { get; set; }
}

/// <summary>A piece of memory that tensors look into.</summary>
/// <param name="Type">Type of its elements; null where the tensor says it.</param>
/// <param name="Key">Which of the file's storages.</param>
/// <param name="First">Where in that storage it begins, in elements.</param>
/// <param name="Count">Elements; bytes where no type is known.</param>
internal sealed record PickledStorage(SafetensorsType? Type, string Key, long First, long Count);

/// <summary>A tensor: a view into a storage, held against the size that the storage claims.</summary>
/// <param name="Storage">Where its elements lie.</param>
/// <param name="Type">Type of its elements.</param>
/// <param name="Offset">Its first element, from the beginning of the file's storage.</param>
/// <param name="Shape">Its sides.</param>
/// <param name="Strides">How many elements lie between neighbours of each side.</param>
internal sealed record PickledTensor(PickledStorage Storage, SafetensorsType Type, long Offset, long[] Shape, long[] Strides)
{
    public long Count => Shape.Aggregate(1L, (product, side) => product * side); // no more than the storage has: checked where it is made

    /// <summary>Elements from the first to the last, those between that are not its own included.</summary>
    public long Span => Count == 0 ? 0 : 1 + Shape.Zip(Strides, (side, stride) => (side - 1) * stride).Sum();

    public bool IsContiguous
    {
        get
        {
            long expected = 1;
            for (var i = Shape.Length - 1; i >= 0; i--)
            {
                if (Shape[i] != 1 && Strides[i] != expected) return false;
                expected *= Shape[i];
            }
            return true;
        }
    }
}
