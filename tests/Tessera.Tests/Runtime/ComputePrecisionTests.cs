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
    [InlineData(Precision.Fp32)]
    [InlineData(Precision.Fp32Strict)]
    public void Computes_Fp32_Products_In_Fp32(Precision precision)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        ComputePrecision.Apply(precision, CPU);
        var (x, w) = (Numbers.Tensor(1, 96, 200), Numbers.Tensor(2, 64, 200));
        var exact = x.to(ScalarType.Float64).matmul(w.to(ScalarType.Float64).t());
        var magnitude = x.to(ScalarType.Float64).abs().matmul(w.to(ScalarType.Float64).t().abs());

        var error = ((x.matmul(w.t()).to(ScalarType.Float64) - exact) / magnitude).abs().max().item<double>();

        error.ShouldBeLessThan(200 * Math.Pow(2, -24)); // Higham 2002, (3.5): n · u of |x| · |w|
    }
}
