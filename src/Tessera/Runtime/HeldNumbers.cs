using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Runtime;

/// <summary>Sums and arithmetic with numbers, in which the numbers outlive the call.</summary>
/// <remarks>
/// TorchSharp 0.107 wraps each number that it hands to libtorch, also the 1 that <c>a + b</c> multiplies b by, and lets go of it before the call
/// has ended. A garbage collection at that moment frees it, and libtorch throws or computes with whatever lies there. So tensors are added
/// and combined with numbers by these methods, and never by operators: eng/BannedSymbols.txt has the build refuse all else. Differences,
/// products and quotients of two tensors are safe as they are.
/// </remarks>
internal static class HeldNumbers
{
    private static readonly Scalar One = Hold(1L);

    public static Tensor Plus(this Tensor left, Tensor right) => left.add(right, One);

    public static Tensor PlusInPlace(this Tensor left, Tensor right) => left.add_(right, One);

    public static Tensor Plus(this Tensor left, double right)
    {
        using var held = Hold(right);
        return left.add(held, One);
    }

    public static Tensor PlusInPlace(this Tensor left, double right)
    {
        using var held = Hold(right);
        return left.add_(held, One);
    }

    public static Tensor Times(this Tensor left, double right)
    {
        using var held = Hold(right);
        return left.mul(held);
    }

    public static Tensor AtLeast(this Tensor values, double smallest)
    {
        using var held = Hold(smallest);
        return values.clamp_min(held);
    }

    public static Tensor BetweenInPlace(this Tensor values, double smallest, double largest)
    {
        using Scalar low = Hold(smallest), high = Hold(largest);
        return values.clamp_(low, high);
    }

    public static Tensor FillInPlace(this Tensor target, double value)
    {
        using var held = Hold(value);
        return target.fill_(held);
    }

    // The one place that makes TorchSharp's numbers: who asks for one keeps it until the call has ended, and disposes it then.
#pragma warning disable RS0030
    public static Scalar Hold(double value) => value;

    private static Scalar Hold(long value) => value;
#pragma warning restore RS0030

    /// <summary>The numbers from 0 to below <paramref name="count"/>, made on the device.</summary>
    /// <returns>(count), float32</returns>
    public static Tensor CountTo(long count, Device device)
    {
        using Scalar first = Hold(0L), end = Hold(count);
        return arange(first, end, One, ScalarType.Float32, device);
    }

    /// <summary>So many multiples of a number, which is above 0, from 0; made on the device.</summary>
    /// <returns>(count), int64</returns>
    public static Tensor Multiples(long count, long of, Device device)
    {
        using Scalar first = Hold(0L), end = Hold(checked(count * of)), step = Hold(of);
        return arange(first, end, step, ScalarType.Int64, device);
    }
}
