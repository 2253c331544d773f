using System.Diagnostics.CodeAnalysis;

namespace Tessera.Weights;

/// <summary>The names that files use for the element types, and how many bytes an element takes.</summary>
public static class SafetensorsTypes
{
    private static readonly (SafetensorsType Type, string Name, int Bytes)[] Known =
    [
        (SafetensorsType.F64, "F64", 8),
        (SafetensorsType.F32, "F32", 4),
        (SafetensorsType.F16, "F16", 2),
        (SafetensorsType.BF16, "BF16", 2),
        (SafetensorsType.I64, "I64", 8),
        (SafetensorsType.I32, "I32", 4),
        (SafetensorsType.I16, "I16", 2),
        (SafetensorsType.I8, "I8", 1),
        (SafetensorsType.U64, "U64", 8),
        (SafetensorsType.U32, "U32", 4),
        (SafetensorsType.U16, "U16", 2),
        (SafetensorsType.U8, "U8", 1),
        (SafetensorsType.Bool, "BOOL", 1),
        (SafetensorsType.C64, "C64", 8),
        (SafetensorsType.F8E4M3, "F8_E4M3", 1),
        (SafetensorsType.F8E5M2, "F8_E5M2", 1),
        (SafetensorsType.F8E4M3Fnuz, "F8_E4M3FNUZ", 1),
        (SafetensorsType.F8E5M2Fnuz, "F8_E5M2FNUZ", 1),
        (SafetensorsType.F8E8M0, "F8_E8M0", 1),
    ];

    private static readonly string[] SmallerThanAByte = ["F4", "F6_E2M3", "F6_E3M2"];

    /// <returns>The type's name in a file's header, such as <c>BF16</c> or <c>F8_E4M3</c>.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The value is no member of <see cref="SafetensorsType"/>.</exception>
    public static string NameInFiles(this SafetensorsType type) => Find(type).Name;

    /// <returns>Bytes an element takes: 1, 2, 4 or 8.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The value is no member of <see cref="SafetensorsType"/>.</exception>
    public static int ElementBytes(this SafetensorsType type) => Find(type).Bytes;

    /// <summary>Finds a type by its name in a file's header; <paramref name="problem"/> says why there is none.</summary>
    internal static bool TryParse(string name, out SafetensorsType type, [NotNullWhen(false)] out string? problem)
    {
        foreach (var known in Known)
        {
            if (known.Name == name)
            {
                (type, problem) = (known.Type, null);
                return true;
            }
        }
        type = default;
        problem = SmallerThanAByte.Contains(name)
            ? $"its dtype {name} has elements smaller than a byte, which this reader does not support"
            : $"its dtype {Quoted.Of(name)} is not one of the format's types";
        return false;
    }

    /// <summary>Bytes a tensor of this type and shape takes, or null where a side is negative or the product passes 2^63 - 1.</summary>
    internal static long? ContentBytes(SafetensorsType type, ReadOnlySpan<long> shape)
    {
        long bytes = type.ElementBytes();
        foreach (var side in shape)
        {
            if (side < 0 || !TryMultiply(bytes, side, out bytes)) return null;
        }
        return bytes;
    }

    private static bool TryMultiply(long left, long right, out long product)
    {
        var high = Math.BigMul(left, right, out product);
        return high == 0 && product >= 0;
    }

    private static (SafetensorsType Type, string Name, int Bytes) Find(SafetensorsType type)
    {
        foreach (var known in Known)
        {
            if (known.Type == type) return known;
        }
        throw new ArgumentOutOfRangeException(nameof(type), type, "There is no such safetensors type.");
    }
}

/// <summary>Element types of the safetensors format that fill whole bytes.</summary>
/// <remarks>
/// The published format also names F4, F6_E2M3 and F6_E3M2, whose elements are smaller than a byte: those are recognised and refused.
/// </remarks>
public enum SafetensorsType
{
    /// <summary>64-bit IEEE 754 floating point.</summary>
    F64,

    /// <summary>32-bit IEEE 754 floating point.</summary>
    F32,

    /// <summary>16-bit IEEE 754 floating point.</summary>
    F16,

    /// <summary>The upper 16 bits of a 32-bit floating point number.</summary>
    BF16,

    /// <summary>64-bit signed integer.</summary>
    I64,

    /// <summary>32-bit signed integer.</summary>
    I32,

    /// <summary>16-bit signed integer.</summary>
    I16,

    /// <summary>8-bit signed integer.</summary>
    I8,

    /// <summary>64-bit unsigned integer.</summary>
    U64,

    /// <summary>32-bit unsigned integer.</summary>
    U32,

    /// <summary>16-bit unsigned integer.</summary>
    U16,

    /// <summary>8-bit unsigned integer.</summary>
    U8,

    /// <summary>One byte, 0 or 1. Named BOOL in files.</summary>
    Bool,

    /// <summary>Two 32-bit floating point numbers: the real part, then the imaginary part.</summary>
    C64,

    /// <summary>8-bit floating point, 4 bits of exponent, 3 of mantissa. Named F8_E4M3 in files.</summary>
    F8E4M3,

    /// <summary>8-bit floating point, 5 bits of exponent, 2 of mantissa. Named F8_E5M2 in files.</summary>
    F8E5M2,

    /// <summary>8-bit floating point without infinities and negative zero, 4 bits of exponent. Named F8_E4M3FNUZ in files.</summary>
    F8E4M3Fnuz,

    /// <summary>8-bit floating point without infinities and negative zero, 5 bits of exponent. Named F8_E5M2FNUZ in files.</summary>
    F8E5M2Fnuz,

    /// <summary>8 bits of exponent alone: a scale. Named F8_E8M0 in files.</summary>
    F8E8M0,
}
