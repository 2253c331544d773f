using Tessera.Imaging;

namespace Tessera.Data;

/// <summary>Draws of a symmetric beta distribution.</summary>
/// <remarks>
/// As a gamma draw over the sum of two. Gamma draws: Marsaglia and Tsang 2000, "A simple method for generating gamma variables", with their section 6
/// for shapes below 1: a draw of shape + 1, times a uniform one to the power 1/shape. That underflows for small shapes, so all is in logarithms.
/// </remarks>
internal static class BetaDistribution
{
    /// <returns>A number in [0, 1] from Beta(<paramref name="alpha"/>, <paramref name="alpha"/>).</returns>
    public static double Draw(ref CounterRandom random, double alpha)
    {
        var (first, second) = (LogGamma(ref random, alpha), LogGamma(ref random, alpha));
        return 1 / (1 + Math.Exp(second - first));
    }

    /// <returns>The logarithm of a draw of Gamma(<paramref name="shape"/>, 1).</returns>
    private static double LogGamma(ref CounterRandom random, double shape)
    {
        if (shape < 1)
        {
            var boost = Math.Log(AboveZero(ref random)) / shape;
            return LogGamma(ref random, shape + 1) + boost;
        }
        var d = shape - 1.0 / 3;
        var c = 1 / Math.Sqrt(9 * d);
        while (true)
        {
            var normal = Normal(ref random);
            var root = 1 + c * normal;
            if (root <= 0) continue;
            var log = 3 * Math.Log(root);
            if (Math.Log(AboveZero(ref random)) < normal * normal / 2 + d * (1 - root * root * root + log)) return Math.Log(d) + log;
        }
    }

    /// <summary>Box and Muller.</summary>
    private static double Normal(ref CounterRandom random) => Math.Sqrt(-2 * Math.Log(AboveZero(ref random))) * Math.Cos(2 * Math.PI * random.NextDouble());

    /// <returns>A uniform number in (0, 1].</returns>
    private static double AboveZero(ref CounterRandom random) => 1 - random.NextDouble();
}
