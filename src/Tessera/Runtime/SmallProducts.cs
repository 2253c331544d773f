using System.Runtime.Intrinsics.X86;

namespace Tessera.Runtime;

/// <summary>Products of bf16 matrices that a core's cache holds, added up in fp32: oneDNN's, without a tensor, a copy or a lookup of sizes around each.</summary>
/// <remarks>
/// libtorch has them for its own attention (<c>at::native::cpublas::brgemm</c>), and makes a kernel for each thread and size. The right factor lies in
/// panels of <see cref="Panel"/> columns, and in each of them two rows that follow on each other lie together, number by number, as the processor's
/// instruction for bf16 products takes them.
/// </remarks>
internal static unsafe class SmallProducts
{
    /// <summary>Columns of a right factor that lie together.</summary>
    public const int Panel = 64;

    private static readonly delegate* unmanaged<long, long, long, long, long, long, byte, Bf16*, Bf16*, float*, byte, void> Kernel = Find();

    /// <summary>Whether libtorch has them here, and the processor has instructions for them.</summary>
    public static bool AreFast => Kernel is not null;

    /// <summary>Multiplies two matrices.</summary>
    /// <param name="left">(rows, inner), a row every <paramref name="leftStride"/> numbers.</param>
    /// <param name="leftStride">At least <paramref name="inner"/>.</param>
    /// <param name="right">(inner, columns), in panels.</param>
    /// <param name="result">(rows, columns), written.</param>
    /// <param name="rows">Of the left factor.</param>
    /// <param name="columns">Of the right factor, a multiple of 16.</param>
    /// <param name="inner">Even.</param>
    public static void Multiply(Bf16* left, int leftStride, Bf16* right, float* result, int rows, int columns, int inner) =>
        Multiply(left, leftStride, right, result, columns, rows, columns, inner, adds: 0);

    /// <summary>The same, added to what stands at <paramref name="result"/>, a row every <paramref name="resultStride"/> numbers.</summary>
    public static void Add(Bf16* left, int leftStride, Bf16* right, float* result, int resultStride, int rows, int columns, int inner) =>
        Multiply(left, leftStride, right, result, resultStride, rows, columns, inner, adds: 1);

    private static void Multiply(Bf16* left, int leftStride, Bf16* right, float* result, int resultStride, int rows, int columns, int inner, byte adds)
    {
        for (var column = 0; column < columns; column += Panel, right += (long)inner * Panel)
            Kernel(rows, Math.Min(Panel, columns - column), inner, leftStride, Panel, resultStride, adds, left, right, result + column, 1);
    }

    /// <remarks>What these functions are asked that cannot be had ends the process, since no exception of theirs passes through here.</remarks>
    private static delegate* unmanaged<long, long, long, long, long, long, byte, Bf16*, Bf16*, float*, byte, void> Find()
    {
        // With AMX a thread's tiles stay as the last kernel left them until they are released, which has not been tried.
        if (!Avx512BW.IsSupported || !ComputePrecision.HasBf16Products() || OneDnn.HasAmx() || IsLimited()
            || LibTorch.FindFunction("_ZN2at6native7cpublas6brgemmEllllllbPKN3c108BFloat16ES5_Pfb") is not { } found
            || LibTorch.FindFunction("_ZN2at13globalContextEv") is not { } context
            || LibTorch.FindFunction("_ZNK2at7Context17userEnabledMkldnnEv") is not { } isEnabled)
            return null;
        if (((delegate* unmanaged<nint, byte>)isEnabled)(((delegate* unmanaged<nint>)context)()) == 0) return null;
        return (delegate* unmanaged<long, long, long, long, long, long, byte, Bf16*, Bf16*, float*, byte, void>)found;
    }

    /// <summary>Whether oneDNN is told to use fewer instructions than the processor has.</summary>
    private static bool IsLimited() =>
        Environment.GetEnvironmentVariable("ONEDNN_MAX_CPU_ISA") is not null || Environment.GetEnvironmentVariable("DNNL_MAX_CPU_ISA") is not null;
}
