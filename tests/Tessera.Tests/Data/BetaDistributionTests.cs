using Tessera.Data;
using Tessera.Imaging;

namespace Tessera.Tests.Data;

public sealed class BetaDistributionTests
{
    private const int Draws = 20_000;

    /// <summary>By the largest distance from the distribution's function (Kolmogorov and Smirnov), which stays below 1.95 / sqrt(n) but for one time in a thousand.</summary>
    [Theory]
    [InlineData(0.5)] // arcsine
    [InlineData(1)] // uniform
    [InlineData(2)]
    [InlineData(3)]
    public void Draws_As_The_Distributions_Function_Says(double alpha)
    {
        var drawn = Draw(alpha).Order().ToArray();
        var distance = drawn.Select((x, i) => Math.Max(Math.Abs(Function(alpha, x) - (double)i / Draws), Math.Abs(Function(alpha, x) - (i + 1.0) / Draws))).Max();
        distance.ShouldBeLessThan(1.95 / Math.Sqrt(Draws));
    }

    [Theory]
    [InlineData(0.01)]
    [InlineData(0.2)]
    [InlineData(0.8)]
    [InlineData(10)]
    public void Has_The_Mean_And_The_Variance_Of_The_Distribution(double alpha)
    {
        var drawn = Draw(alpha);
        var variance = 1 / (4 * (2 * alpha + 1));
        drawn.Average().ShouldBe(0.5, 4 * Math.Sqrt(variance / Draws));
        drawn.Average(x => (x - 0.5) * (x - 0.5)).ShouldBe(variance, 0.03 * variance);
    }

    [Fact]
    public void Draws_Numbers_From_0_To_1_However_Small_The_Shape()
    {
        var drawn = Draw(1e-6);
        drawn.ShouldAllBe(x => x >= 0 && x <= 1);
        drawn.Count(x => x > 0.5).ShouldBeInRange(9717, 10_283); // nearly all are 0 or 1: four deviations from a half
    }

    private static double Function(double alpha, double x) => alpha switch
    {
        0.5 => 2 / Math.PI * Math.Asin(Math.Sqrt(x)),
        1 => x,
        2 => x * x * (3 - 2 * x),
        3 => x * x * x * (10 - 15 * x + 6 * x * x),
        _ => throw new ArgumentOutOfRangeException(nameof(alpha)),
    };

    private static double[] Draw(double alpha) => [.. Enumerable.Range(0, Draws).Select(i =>
    {
        var random = new CounterRandom(1, RandomPurpose.Mix, 0, (uint)i);
        return BetaDistribution.Draw(ref random, alpha);
    })];
}
