using Tessera.Embeddings;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>How many dimensions vectors really use: a figure that needs no labels.</summary>
/// <remarks>
/// Garrido et al. 2023 (arXiv:2210.02885), equations 1 and 2: the exponential of the entropy of the singular values' shares of their sum. Those are the roots of
/// the eigenvalues of ZᵀZ, which is (D, D) and summed in fp64. The paper takes 25,600 pictures; of N, the rank is at most N, so figures are comparable for the same
/// pictures alone.
/// </remarks>
public static class RankMe
{
    private const double Epsilon = 1e-7; // the paper's, which keeps the logarithm finite
    private const int Block = 4096; // vectors at a time in fp64

    /// <summary>The effective rank, 1 to D; not a number where the vectors are zero, or not finite.</summary>
    /// <param name="vectors">(N, D)</param>
    public static double Of(LabelledVectors vectors)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        using var quiet = inference_mode();
        using var scope = NewDisposeScope();
        var gram = zeros(vectors.Width, vectors.Width, ScalarType.Float64);
        for (var start = 0; start < vectors.Count; start += Block)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(Block, vectors.Count - start);
            var values = vectors.Values.AsSpan(start * vectors.Width, count * vectors.Width).ToArray();
            var block = tensor(values, [count, vectors.Width]).to(ScalarType.Float64);
            gram.PlusInPlace(block.t().matmul(block));
        }
        if (!gram.isfinite().all().item<bool>()) return double.NaN; // the solver would refuse it
        var eigenvalues = linalg.eigvalsh(gram).data<double>().ToArray();
        var singular = Array.ConvertAll(eigenvalues, value => Math.Sqrt(Math.Max(0, value)));
        var sum = singular.Sum();
        return Math.Exp(-singular.Select(value => value / sum + Epsilon).Sum(share => share * Math.Log(share)));
    }
}
