using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Runtime;

/// <summary>A number format of tensors that kernels read and write as vectors of 16 fp32 numbers.</summary>
internal unsafe interface INumberFormat<T> where T : unmanaged, INumberFormat<T>
{
    static abstract Vector512<float> Load(T* from);

    static abstract void Store(T* to, Vector512<float> values);

    /// <summary>What would be read again after <see cref="Store"/>.</summary>
    static abstract Vector512<float> Round(Vector512<float> values);

    static abstract T Of(float value);
}

/// <summary>32 bits.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct Fp32(float value) : INumberFormat<Fp32>
{
    private readonly float value = value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(Fp32* from) => Vector512.Load((float*)from);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Fp32* to, Vector512<float> values) => values.Store((float*)to);

    public static Vector512<float> Round(Vector512<float> values) => values;

    public static Fp32 Of(float value) => new(value);
}

/// <summary>The upper half of an fp32 number, rounded to nearest, ties to even.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct Bf16(ushort bits) : INumberFormat<Bf16>
{
    private static readonly Vector512<ushort> UpperHalves = Vector512.Create([.. Enumerable.Range(0, 32).Select(i => (ushort)(2 * i + 1))]); // of 16 numbers and of 16 more

    private readonly ushort bits = bits;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Load(Bf16* from)
    {
        var narrow = Vector256.Load((ushort*)from);
        var wide = Avx512F.IsSupported ? Avx512F.ConvertToVector512UInt32(narrow) : Vector512.Create(Vector256.WidenLower(narrow), Vector256.WidenUpper(narrow));
        return (wide << 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Bf16* to, Vector512<float> values)
    {
        var upper = Rounded(values) >> 16;
        (Avx512F.IsSupported ? Avx512F.ConvertToVector256UInt16(upper) : Vector256.Narrow(upper.GetLower(), upper.GetUpper())).Store((ushort*)to);
    }

    /// <summary>The same of 32 numbers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Bf16* to, Vector512<float> first, Vector512<float> second)
    {
        if (Avx512BW.IsSupported)
        {
            Avx512BW.PermuteVar32x16x2(Rounded(first).AsUInt16(), UpperHalves, Rounded(second).AsUInt16()).Store((ushort*)to);
            return;
        }
        Store(to, first);
        Store(to + Vector512<float>.Count, second);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Round(Vector512<float> values) => (Rounded(values) & Vector512.Create(0xFFFF0000)).AsSingle();

    public float ToSingle() => BitConverter.UInt32BitsToSingle((uint)bits << 16);

    public static Bf16 Of(float value) => new((ushort)(Rounded(Vector512.CreateScalar(value))[0] >> 16));

    // In the upper halves. What is not a number stays so: its upper half has the bit that says so quietly.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Rounded(Vector512<float> values)
    {
        var all = values.AsUInt32();
        var rounded = all + Vector512.Create(0x7FFFu) + ((all >> 16) & Vector512<uint>.One);
        return Avx512F.IsSupported
            ? Avx512F.Fixup(rounded.AsSingle(), values, Vector512.Create(0x22), 0).AsUInt32() // of both kinds of what is not a number: the quiet one
            : Vector512.ConditionalSelect(Vector512.Equals(values, values).AsUInt32(), rounded, all | Vector512.Create(0x400000u));
    }
}
