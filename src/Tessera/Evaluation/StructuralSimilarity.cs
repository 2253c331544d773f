using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>The structural similarity of two pictures, pixel by pixel.</summary>
/// <remarks>
/// Wang et al. 2004, "Image quality assessment: from error visibility to structural similarity": Gaussian window of 11 pixels,
/// deviation 1.5, K1 = .01, K2 = .03, for values from 0 to 1. The window is separable and is applied as two matrix products; at a
/// border its weights are scaled to sum to 1, so that every pixel has a value.
/// </remarks>
public static class StructuralSimilarity
{
    private const int Radius = 5;
    private const double Deviation = 1.5;
    private const double C1 = 0.01 * 0.01;
    private const double C2 = 0.03 * 0.03;

    /// <param name="first">(B, C, H, W), 0 to 1</param>
    /// <param name="second">(B, C, H, W), 0 to 1</param>
    /// <returns>(B, C, H, W), at most 1</returns>
    public static Tensor Map(Tensor first, Tensor second)
    {
        using var scope = NewDisposeScope();
        var (vertical, horizontal) = (Window(first.shape[2], first.device), Window(first.shape[3], first.device).t());
        Tensor Blur(Tensor x) => vertical.matmul(x).matmul(horizontal);

        var (mean1, mean2) = (Blur(first), Blur(second));
        var (square1, square2, product) = (mean1 * mean1, mean2 * mean2, mean1 * mean2);
        var variance1 = Blur(first * first) - square1;
        var variance2 = Blur(second * second) - square2;
        var covariance = Blur(first * second) - product;
        var alike = product.Times(2).Plus(C1) * covariance.Times(2).Plus(C2);
        var most = square1.Plus(square2).Plus(C1) * variance1.Plus(variance2).Plus(C2);
        return (alike / most).MoveToOuterDisposeScope();
    }

    /// <returns>(size, size), each row a Gaussian window that sums to 1</returns>
    private static Tensor Window(long size, Device device)
    {
        var values = new float[size * size];
        for (var i = 0; i < values.Length; i++)
        {
            var distance = i / size - i % size;
            values[i] = Math.Abs(distance) <= Radius ? (float)Math.Exp(-distance * distance / (2 * Deviation * Deviation)) : 0;
        }
        var weight = tensor(values, [size, size], device: device);
        return weight / weight.sum(1, keepdim: true);
    }
}
