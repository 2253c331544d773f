namespace Tessera.Weights;

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
