using Tessera.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Momentum whose steps are, of each matrix, as long as the matrix allows; biases take plain momentum.</summary>
/// <remarks>LARS: You et al. 2017 (arXiv:1708.03888), without decay, as MAE trains its linear probe.</remarks>
/// <param name="parameters">What is trained; they stay with the caller.</param>
internal sealed class Lars(IReadOnlyList<Parameter> parameters) : IDisposable
{
    private const double Momentum = 0.9, Trust = 1e-3;

    private readonly Tensor[] means = [.. parameters.Select(p => zeros_like(p).DetachFromDisposeScope())];

    /// <summary>One step on the parameters' gradients, which are then let go.</summary>
    public void Step(double rate)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        for (var i = 0; i < means.Length; i++)
        {
            var (parameter, gradient) = (parameters[i], parameters[i].grad!);
            if (parameter.dim() > 1)
            {
                var (weights, change) = (Norm(parameter), Norm(gradient));
                var both = weights * change;
                gradient = gradient * where(both > zeros_like(both), (weights / change).Times(Trust), ones_like(both));
            }
            means[i].copy_(means[i].Times(Momentum).PlusInPlace(gradient));
            parameter.PlusInPlace(means[i].Times(-rate));
            parameter.grad = null;
        }
    }

    /// <summary>Frees the means; the parameters stay.</summary>
    public void Dispose()
    {
        foreach (var mean in means) mean.Dispose();
    }

    private static Tensor Norm(Tensor values) => (values * values).sum().sqrt();
}
