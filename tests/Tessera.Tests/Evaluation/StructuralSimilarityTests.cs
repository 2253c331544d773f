using Tessera.Evaluation;
using static TorchSharp.torch;

namespace Tessera.Tests.Evaluation;

public sealed class StructuralSimilarityTests
{
    [Fact]
    public void Agrees_With_A_Window_Summed_Pixel_By_Pixel()
    {
        using var scope = NewDisposeScope();
        var (first, second) = (Numbers.Tensor(1, 2, 2, 9, 17) / 2 + 0.5, Numbers.Tensor(2, 2, 2, 9, 17) / 2 + 0.5);
        second = (first * 0.7 + second * 0.3).contiguous();

        var map = StructuralSimilarity.Map(first, second);

        map.shape.ShouldBe(first.shape);
        var expected = new List<double>();
        for (var b = 0; b < 2; b++)
            for (var c = 0; c < 2; c++)
                expected.AddRange(Naive(first[b][c].Floats(), second[b][c].Floats(), 9, 17));
        map.ShouldBeNear(tensor(expected.ToArray(), map.shape), 2e-5);
    }

    [Fact]
    public void Is_One_For_A_Picture_And_Itself()
    {
        using var scope = NewDisposeScope();
        var picture = Numbers.Tensor(3, 1, 3, 16, 16) / 2 + 0.5;
        StructuralSimilarity.Map(picture, picture).ShouldEqual(ones(1, 3, 16, 16));
    }

    [Fact]
    public void Has_A_Closed_Form_For_Plain_Pictures()
    {
        // Without variance only the first factor is left: (2ab + C1) / (a² + b² + C1).
        using var scope = NewDisposeScope();
        var expected = (2 * 0.25 * 0.75 + 1e-4) / (0.25 * 0.25 + 0.75 * 0.75 + 1e-4);
        var map = StructuralSimilarity.Map(full([1, 1, 8, 8], 0.25f), full([1, 1, 8, 8], 0.75f));
        map.ShouldBeNear(full([1, 1, 8, 8], expected, ScalarType.Float64), 1e-4); // the variances are differences of 32-bit numbers
    }

    private static IEnumerable<double> Naive(float[] x, float[] y, int height, int width)
    {
        for (var row = 0; row < height; row++)
        {
            for (var column = 0; column < width; column++)
            {
                double weights = 0, meanX = 0, meanY = 0, squareX = 0, squareY = 0, product = 0;
                for (var r = Math.Max(0, row - 5); r <= Math.Min(height - 1, row + 5); r++)
                {
                    for (var c = Math.Max(0, column - 5); c <= Math.Min(width - 1, column + 5); c++)
                    {
                        var weight = Math.Exp(-((r - row) * (r - row) + (c - column) * (c - column)) / (2 * 1.5 * 1.5));
                        double a = x[r * width + c], b = y[r * width + c];
                        weights += weight;
                        meanX += weight * a;
                        meanY += weight * b;
                        squareX += weight * a * a;
                        squareY += weight * b * b;
                        product += weight * a * b;
                    }
                }
                (meanX, meanY) = (meanX / weights, meanY / weights);
                var (varianceX, varianceY) = (squareX / weights - meanX * meanX, squareY / weights - meanY * meanY);
                var covariance = product / weights - meanX * meanY;
                yield return (2 * meanX * meanY + 1e-4) * (2 * covariance + 9e-4)
                    / ((meanX * meanX + meanY * meanY + 1e-4) * (varianceX + varianceY + 9e-4));
            }
        }
    }
}
