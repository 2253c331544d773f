using Tessera.Embeddings;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>How many dimensions vectors really use: a figure that needs no labels.</summary>
/// <remarks>
/// Garrido et al. 2023 (arXiv:2210.02885), equations 1 and 2: the exponential of the entropy of the singular values' shares of their sum. Those are the roots of
/// the eigenvalues of ZᵀZ, which is (D, D) and summed in fp64. The paper takes 25,600 pictures; of N, the rank is at most N, so figures are comparable for the same
/// pictures alone. The paper's vectors are as they come; ours are taken about their mean, which all pictures share and which says nothing of any: uncentred, a
/// masked autoencoder's 52 would read 10, and would rise and fall with the mean's length.
/// </remarks>
public static class RankMe
{
    private const double Epsilon = 1e-7; // the paper's, which keeps the logarithm finite
    private const int Block = 4096; // vectors at a time in fp64

    /// <summary>The effective rank, 1 to D; not a number where the vectors are all alike, or not finite.</summary>
    /// <param name="vectors">(N, D)</param>
    public static double Of(LabelledVectors vectors)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        using var quiet = inference_mode();
        using var scope = NewDisposeScope();
        var mean = zeros(vectors.Width, ScalarType.Float64);
        ForEachBlock(vectors, block => mean.PlusInPlace(block.sum([0L]).Times(1.0 / vectors.Count)));
        var gram = zeros(vectors.Width, vectors.Width, ScalarType.Float64);
        ForEachBlock(vectors, block =>
        {
            var centred = block - mean;
            gram.PlusInPlace(centred.t().matmul(centred));
        });
        if (!gram.isfinite().all().item<bool>()) return double.NaN; // the solver would refuse it
        var eigenvalues = linalg.eigvalsh(gram).data<double>().ToArray();
        var singular = Array.ConvertAll(eigenvalues, value => Math.Sqrt(Math.Max(0, value)));
        var all = singular.Sum();
        return Math.Exp(-singular.Select(value => value / all + Epsilon).Sum(share => share * Math.Log(share)));
    }

    /// <param name="vectors">(N, D)</param>
    /// <param name="work">Takes (n, D) in fp64, after each other.</param>
    private static void ForEachBlock(LabelledVectors vectors, Action<Tensor> work)
    {
        for (var start = 0; start < vectors.Count; start += Block)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(Block, vectors.Count - start);
            work(tensor(vectors.Values.AsSpan(start * vectors.Width, count * vectors.Width).ToArray(), [count, vectors.Width]).to(ScalarType.Float64));
        }
    }
}
