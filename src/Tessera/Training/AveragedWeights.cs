using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>An exponential moving average of the weights, which generalises better than the weights of any one step.</summary>
/// <param name="optimizer">Whose weights are averaged.</param>
/// <param name="decay">How much of the average stays at each step, in the long run.</param>
/// <remarks>
/// Polyak and Juditsky 1992; as an exponential average Tarvainen and Valpola 2017 (arXiv:1703.01780). The decay of step t, from 1, is at most
/// t / (t + 9), so that the first weights, which are random, are soon forgotten.
/// </remarks>
internal sealed class AveragedWeights(AdamW optimizer, double decay) : IDisposable
{
    private readonly (string Name, Tensor Value)[] averages =
        [.. optimizer.Weights.Select(w => (w.Name, w.Value.detach().clone().DetachFromDisposeScope()))];

    /// <summary>The averages by name, in fp32; the weights themselves while <see cref="TakeTurns"/> has exchanged them.</summary>
    public IEnumerable<(string Name, Tensor Value)> Values => averages;

    /// <summary>Takes the weights after a step into the average.</summary>
    /// <param name="step">Steps made, from 1.</param>
    public void Follow(long step)
    {
        using var quiet = no_grad();
        var share = 1 - Math.Min(decay, step / (step + 9.0));
        TensorLists.MoveTowards([.. averages.Select(a => a.Value)], [.. optimizer.Weights.Select(w => w.Value)], share);
    }

    /// <summary>Exchanges the model's weights for their averages, or back, bit for bit.</summary>
    public void TakeTurns()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        foreach (var ((_, average), (_, weight)) in averages.Zip(optimizer.Weights))
        {
            var kept = weight.detach().clone();
            weight.detach().copy_(average);
            average.copy_(kept);
        }
        optimizer.CopyToModel();
    }

    /// <summary>Frees the averages.</summary>
    public void Dispose()
    {
        foreach (var (_, value) in averages) value.Dispose();
    }
}
