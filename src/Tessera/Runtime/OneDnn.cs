using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Tessera.Runtime;

/// <summary>Chooses which library computes fp32 matrix products on a CPU.</summary>
/// <remarks>
/// libtorch asks MKL, which uses AVX-512 on Intel's processors alone. oneDNN, which libtorch has too, uses it on every processor that has it,
/// and computes fp32 products at twice the rate on AMD's. libtorch hands products to oneDNN where bf16 inside a product is allowed
/// (<c>torch.backends.mkldnn.matmul.fp32_precision = "bf16"</c>); oneDNN makes use of that licence on processors with AMX alone and computes in
/// fp32 elsewhere, so it is given elsewhere only.
/// </remarks>
internal static class OneDnn
{
    // at::Float32Backend::MKLDNN, at::Float32Op::MATMUL, at::Float32Precision::NONE and BF16 (ATen/Context.h)
    private const int Backend = 2, MatrixProduct = 3, Default = 0, Bf16Allowed = 3;
    private const int AmxBf16Bit = 22; // CPUID leaf 7, EDX

    /// <summary>Whether fp32 products are faster there, which the processor's name and instructions tell.</summary>
    public static bool IsFasterAtFp32 { get; } = Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported && !IsIntel() && !HasAmx();

    /// <summary>Has oneDNN compute fp32 matrix products, or leaves them to libtorch's own choice. Does nothing where libtorch cannot be told.</summary>
    public static unsafe void ComputeFp32Products(bool wanted)
    {
        if (LibTorch.FindFunction("_ZN2at13globalContextEv") is not { } context
            || LibTorch.FindFunction("_ZN2at7Context19setFloat32PrecisionENS_14Float32BackendENS_9Float32OpENS_16Float32PrecisionE") is not { } set)
            return;
        var self = ((delegate* unmanaged<nint>)context)();
        ((delegate* unmanaged<nint, int, int, int, void>)set)(self, Backend, MatrixProduct, wanted ? Bf16Allowed : Default);
    }

    private static bool IsIntel()
    {
        var (_, b, c, d) = X86Base.CpuId(0, 0);
        return MemoryMarshal.AsBytes<int>([b, d, c]).SequenceEqual("GenuineIntel"u8);
    }

    /// <summary>Whether oneDNN would make use of the licence, and compute in bf16.</summary>
    internal static bool HasAmx() => X86Base.IsSupported && (X86Base.CpuId(7, 0).Edx >> AmxBf16Bit & 1) != 0;
}
