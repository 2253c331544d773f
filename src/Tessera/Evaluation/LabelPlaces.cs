using Tessera.Embeddings;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>At which place the label's class comes out, when classes are sorted by their scores. One that is level with it is taken to come before it.</summary>
internal static class LabelPlaces
{
    private const int Few = 5;

    /// <summary>Counts of nothing.</summary>
    /// <returns>(6), int64</returns>
    public static Tensor None(Device device) => zeros(Few + 1, ScalarType.Int64, device);

    /// <summary>How often labels come out first to fifth.</summary>
    /// <param name="scores">(B, K)</param>
    /// <param name="labels">(B, 1), int64</param>
    /// <returns>(6), int64: by the place, from 1; what stands at 0 is none</returns>
    public static Tensor Of(Tensor scores, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var before = scores.ge(scores.gather(1, labels)).sum([1], keepdim: true); // (B, 1), the label's class among them
        return before.eq(HeldNumbers.Multiples(Few + 1, 1, scores.device)).sum([0]).MoveToOuterDisposeScope();
    }

    /// <summary>How often the label's class came out first, and among the first five.</summary>
    /// <param name="places">The sum of what <see cref="Of"/> gave.</param>
    /// <param name="count">Of how many pictures.</param>
    public static (Accuracy Top1, Accuracy Top5) Accuracies(Tensor places, int count)
    {
        var found = places.cpu().data<long>().ToArray();
        return (new Accuracy((int)found[1], count), new Accuracy((int)found[1..].Sum(), count));
    }
}
