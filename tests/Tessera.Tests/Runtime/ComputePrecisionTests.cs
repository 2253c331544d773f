using System.Runtime.InteropServices;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Tests.Runtime;

/// <summary>Alone, since which library computes products holds for the whole process.</summary>
[CollectionDefinition(nameof(ComputePrecisionTests), DisableParallelization = true)]
[Collection(nameof(ComputePrecisionTests))]
public sealed class ComputePrecisionTests : IDisposable
{
    public void Dispose() => ComputePrecision.Apply(Precision.Fp32, CPU);

    /// <summary>Whichever library computes them, fp32 products keep fp32's digits: those of bf16 would be a thousand times worse.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Computes_Fp32_Products_In_Fp32(bool byOneDnn)
    {
        Assert.SkipWhen(byOneDnn && OneDnn.HasAmx(), "With AMX oneDNN takes the licence and computes in bf16: it is never given there.");
        OneDnn.ComputeFp32Products(byOneDnn);
        ShouldKeepFp32sDigits();
    }

    /// <summary>The formats by their names, whichever library each means on this processor.</summary>
    [Theory]
    [InlineData(Precision.Fp32)]
    [InlineData(Precision.Fp32Strict)]
    public void Sets_Fp32_Up_So_That_It_Is_Fp32(Precision precision)
    {
        ComputePrecision.Apply(precision, CPU);
        Setting().ShouldBe(precision == Precision.Fp32 && OneDnn.IsFasterAtFp32 ? 3 : 0); // at::Float32Precision::BF16, the licence, or NONE
        ShouldKeepFp32sDigits();
    }

    /// <summary>Both libraries can be chosen, on every processor: else the cases above would be one.</summary>
    [Fact]
    public void The_Choice_Reaches_LibTorch()
    {
        OneDnn.ComputeFp32Products(true);
        Setting().ShouldBe(3);
        OneDnn.ComputeFp32Products(false);
        Setting().ShouldBe(0);
    }

    /// <summary>What libtorch has been told of oneDNN's fp32 matrix products.</summary>
    private static int Setting()
    {
        var self = Marshal.GetDelegateForFunctionPointer<GlobalContext>(LibTorch.FindFunction("_ZN2at13globalContextEv")!.Value)();
        var get = LibTorch.FindFunction("_ZNK2at7Context16float32PrecisionENS_14Float32BackendENS_9Float32OpE")!.Value;
        return Marshal.GetDelegateForFunctionPointer<Float32Precision>(get)(self, 2, 3); // at::Float32Backend::MKLDNN, at::Float32Op::MATMUL
    }

    private static void ShouldKeepFp32sDigits()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var (x, w) = (Numbers.Tensor(1, 96, 200), Numbers.Tensor(2, 64, 200));
        var exact = x.to(ScalarType.Float64).matmul(w.to(ScalarType.Float64).t());
        var magnitude = x.to(ScalarType.Float64).abs().matmul(w.to(ScalarType.Float64).t().abs());

        var error = ((x.matmul(w.t()).to(ScalarType.Float64) - exact) / magnitude).abs().max().item<double>();

        error.ShouldBeLessThan(200 * Math.Pow(2, -24)); // Higham 2002, (3.5): n · u of |x| · |w|
    }

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate nint GlobalContext();

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate int Float32Precision(nint context, int backend, int operation);
}
