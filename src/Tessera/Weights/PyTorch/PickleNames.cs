namespace Tessera.Weights.PyTorch;

/// <summary>The names that a pickle may use: what tensors, plain containers and a training's arguments need, and nothing else.</summary>
/// <remarks>None of them is called. <see cref="PickleConstruction"/> builds the few that mean tensors and containers; the rest become a <see cref="PickledObject"/>.</remarks>
internal static class PickleNames
{
    public const string Namespace = "argparse.Namespace";

    private static readonly Dictionary<string, SafetensorsType> StorageTypes = new()
    {
        ["DoubleStorage"] = SafetensorsType.F64,
        ["FloatStorage"] = SafetensorsType.F32,
        ["HalfStorage"] = SafetensorsType.F16,
        ["BFloat16Storage"] = SafetensorsType.BF16,
        ["LongStorage"] = SafetensorsType.I64,
        ["IntStorage"] = SafetensorsType.I32,
        ["ShortStorage"] = SafetensorsType.I16,
        ["CharStorage"] = SafetensorsType.I8,
        ["ByteStorage"] = SafetensorsType.U8,
        ["BoolStorage"] = SafetensorsType.Bool,
        ["ComplexFloatStorage"] = SafetensorsType.C64,
    };

    private static readonly Dictionary<string, SafetensorsType> ElementTypes = new()
    {
        ["float64"] = SafetensorsType.F64,
        ["float32"] = SafetensorsType.F32,
        ["float16"] = SafetensorsType.F16,
        ["bfloat16"] = SafetensorsType.BF16,
        ["int64"] = SafetensorsType.I64,
        ["int32"] = SafetensorsType.I32,
        ["int16"] = SafetensorsType.I16,
        ["int8"] = SafetensorsType.I8,
        ["uint64"] = SafetensorsType.U64,
        ["uint32"] = SafetensorsType.U32,
        ["uint16"] = SafetensorsType.U16,
        ["uint8"] = SafetensorsType.U8,
        ["bool"] = SafetensorsType.Bool,
        ["complex64"] = SafetensorsType.C64,
        ["float8_e4m3fn"] = SafetensorsType.F8E4M3,
        ["float8_e5m2"] = SafetensorsType.F8E5M2,
        ["float8_e4m3fnuz"] = SafetensorsType.F8E4M3Fnuz,
        ["float8_e5m2fnuz"] = SafetensorsType.F8E5M2Fnuz,
        ["float8_e8m0fnu"] = SafetensorsType.F8E8M0,
    };

    private static readonly HashSet<string> Others =
    [
        "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3",
        "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state",
        "torch.Size", "torch.device",
        "torch.UntypedStorage", "torch._UntypedStorage", "torch.storage.UntypedStorage", "torch.storage._UntypedStorage",
        "collections.OrderedDict", "collections.defaultdict", "collections.Counter",
        Namespace,
        .. Plain("set", "frozenset", "list", "tuple", "dict", "int", "float", "str", "bytes", "bytearray", "complex", "bool", "object", "range", "slice"),
        "_codecs.encode", "copyreg._reconstructor", "copy_reg._reconstructor",
        "pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "pathlib.WindowsPath", "pathlib.PurePosixPath", "pathlib.PureWindowsPath",
        "numpy.dtype", "numpy.ndarray",
        "numpy.core.numeric._frombuffer", "numpy._core.numeric._frombuffer",
        "numpy.core.multiarray.scalar", "numpy.core.multiarray._reconstruct", "numpy._core.multiarray.scalar", "numpy._core.multiarray._reconstruct",
    ];

    /// <summary>Whether a pickle may name that.</summary>
    public static bool Knows(string name) => Others.Contains(name) || StorageType(name) is not null || ElementType(name) is not null;

    /// <summary>The type of a storage's elements, by the name of its class; null: it is no such class.</summary>
    public static SafetensorsType? StorageType(string name) => Find(StorageTypes, name);

    /// <summary>An element type by its name, such as <c>torch.float32</c>; null: it is none.</summary>
    public static SafetensorsType? ElementType(string name) => Find(ElementTypes, name);

    /// <summary>The class of a storage of that type, as a pickle names it.</summary>
    public static string? StorageOf(SafetensorsType type) => StorageTypes.FirstOrDefault(pair => pair.Value == type).Key;

    private static SafetensorsType? Find(Dictionary<string, SafetensorsType> types, string name) =>
        name.StartsWith("torch.", StringComparison.Ordinal) && types.TryGetValue(name["torch.".Length..], out var type) ? type : null;

    // Python 2 and pickles up to protocol 2 call the module of what is built in by another name.
    private static IEnumerable<string> Plain(params string[] names) => names.SelectMany(n => new[] { $"builtins.{n}", $"__builtin__.{n}" });
}
