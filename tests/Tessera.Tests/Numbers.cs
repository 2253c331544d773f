using Tessera.Imaging;
using static TorchSharp.torch;

namespace Tessera.Tests;

/// <summary>Numbers that repeat, and comparison of tensors by their values.</summary>
internal static class Numbers
{
    /// <summary>Uniform in (−limit, limit); a function of the index.</summary>
    public static float[] Draw(uint index, long count, double limit = 1)
    {
        var values = new float[count];
        new CounterRandom(99, RandomPurpose.Weights, 0, index).FillUniform(values, limit);
        return values;
    }

    public static Tensor Tensor(uint index, params long[] shape) => tensor(Draw(index, shape.Aggregate((a, b) => a * b)), shape);

    /// <summary>(B, C, H, W) uint8.</summary>
    public static Tensor Pixels(uint index, params long[] shape)
    {
        var random = new CounterRandom(98, RandomPurpose.Weights, 0, index);
        var values = new byte[shape.Aggregate((a, b) => a * b)];
        foreach (ref var value in values.AsSpan()) value = (byte)random.NextBelow(256);
        return tensor(values, shape);
    }

    public static float[] Floats(this Tensor tensor) => tensor.detach().to(ScalarType.Float32).contiguous().data<float>().ToArray();

    public static long[] Longs(this Tensor tensor) => tensor.contiguous().data<long>().ToArray();

    public static void ShouldBeNear(this Tensor actual, Tensor expected, double tolerance = 1e-5, string? name = null)
    {
        actual.shape.ShouldBe(expected.shape);
        var difference = (actual.detach().to(ScalarType.Float64) - expected.detach().to(ScalarType.Float64)).abs().max().item<double>();
        difference.ShouldBeLessThanOrEqualTo(tolerance, name);
    }

    public static void ShouldEqual(this Tensor actual, Tensor expected)
    {
        actual.shape.ShouldBe(expected.shape);
        actual.IsSameAs(expected).ShouldBeTrue();
    }

    /// <summary>Bit for bit.</summary>
    public static bool IsSameAs(this Tensor actual, Tensor expected) =>
        actual.detach().contiguous().bytes.SequenceEqual(expected.detach().contiguous().bytes);
}
