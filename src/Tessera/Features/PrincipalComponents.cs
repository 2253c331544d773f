using System.Runtime.InteropServices;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Features;

/// <summary>The directions along which vectors spread most, and where each vector lies along them.</summary>
public static class PrincipalComponents
{
    /// <summary>Projects vectors on their first components, from the eigenvectors of their covariance in double precision.</summary>
    /// <param name="vectors">(M, D)</param>
    /// <param name="count">K, at most D.</param>
    /// <returns>(M, K), fp32, about 0, the component of the largest variance first. A component's largest weight is positive, so that the sign is no matter of chance.</returns>
    public static Tensor Of(Tensor vectors, int count)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, vectors.shape[1]);
        using var scope = NewDisposeScope();
        var centred = vectors.to(ScalarType.Float64);
        centred = centred - centred.mean([0L], keepdim: true);
        var (_, axes) = linalg.eigh(centred.t().matmul(centred)); // ascending, (D, D): a column each
        var first = axes.narrow(1, axes.shape[1] - count, count).flip(1); // (D, K)
        var largest = first.gather(0, first.abs().argmax(0, keepdim: true)); // (1, K)
        return centred.matmul(first * largest.sign()).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    /// <summary>The same of vectors in memory.</summary>
    /// <param name="vectors">The vectors.</param>
    /// <param name="count">K, at most their width.</param>
    /// <returns>(N, K), row by row</returns>
    public static float[] Of(Embeddings.LabelledVectors vectors, int count)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        LibTorch.Load();
        using var quiet = inference_mode();
        using var scope = NewDisposeScope();
        var components = Of(tensor(vectors.Values, [vectors.Count, vectors.Width]), count);
        return MemoryMarshal.Cast<byte, float>(components.contiguous().bytes).ToArray();
    }
}
