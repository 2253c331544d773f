using System.Text.Json.Serialization;
using Tessera.Embeddings;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>What a linear layer on frozen vectors reaches: how much of the classes lies in them side by side, to be read off by weighing numbers.</summary>
/// <remarks>
/// The layer is trained to its optimum, as for CLIP (Radford et al. 2021, arXiv:2103.00020, section A.3): the figure then tells of the vectors, and
/// not of a rate, a number of epochs or an order. What is left to choose is its weight decay, which the development vectors choose.
/// </remarks>
public static class LinearProbe
{
    /// <summary>After so many weaker decays in a row that were no better, weaker ones are not tried: ten to thirty times weaker is past the best.</summary>
    private const int Patience = 3;

    private const int WeakestDecay = -16; // half decades: vectors that are still better off with 10⁻⁸ would be with none

    /// <summary>Chooses the decay, trains with it on all training vectors, and measures on the test vectors, once.</summary>
    /// <param name="train">(N, D): the training vectors without those of <paramref name="development"/>.</param>
    /// <param name="development">Training vectors to choose by. The layer that is measured on the test vectors is trained on them too.</param>
    /// <param name="test">Vectors that nothing is chosen by; null: only the choice is made.</param>
    /// <param name="classes">The number of classes. What has no label, -1, is left out everywhere.</param>
    /// <param name="device">Where it is computed; null: the CPU.</param>
    /// <param name="progress">Told as layers are trained.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="ArgumentException">The vectors do not fit together, one side has none with a label, or a number is not finite.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static LinearProbeReport Run(
        LabelledVectors train, LabelledVectors development, LabelledVectors? test, int classes, Device? device = null,
        IProgress<LinearProbeProgress>? progress = null, CancellationToken cancellation = default)
    {
        LabelledVectors[] sides = test is null ? [train, development] : [train, development, test];
        foreach (var side in sides) Check(side, train.Width, classes);
        using var quiet = no_grad();
        // No direction has more curvature than D / K at W = 0: decays above that leave all weights proportional to one another, and the answers the same.
        var strongest = Math.Max(WeakestDecay, (int)Math.Ceiling(2 * Math.Log10((double)train.Width / classes)));
        double[] decays = [.. Enumerable.Range(0, strongest - WeakestDecay + 1).Select(i => Math.Pow(10, (strongest - i) / 2.0))];
        using var threads = new WorkerThreads(WorkerThreads.DefaultOn(device ?? CPU));
        var layers = 0;

        var grid = Fit([train], development, decays);
        var chosen = Best(grid);
        var final = test is null ? null : Fit([train, development], test, [chosen.Decay])[0];
        return new LinearProbeReport(train.Width, classes, chosen, final, grid);

        // Each layer begins where the one before ended, and the walk ends where weaker decays are no better any more.
        List<LinearResult> Fit(LabelledVectors[] known, LabelledVectors asked, double[] toTry)
        {
            using var scope = NewDisposeScope();
            using var trained = StandardizedVectors.Of(device ?? CPU, threads, known);
            using var measured = trained.Like(asked);
            using var regression = new SoftmaxRegression(trained, classes, cancellation);
            var (results, weights) = (new List<LinearResult>(), regression.Zero());
            foreach (var decay in toTry)
            {
                (weights, var passes) = regression.Minimize(weights, decay, Tell(decay), cancellation);
                layers++;
                var (top1, top5, confusion) = regression.Measure(weights, measured, cancellation);
                results.Add(new LinearResult(decay, trained.Count, passes, top1, top5) { Confusion = confusion });
                if (results.Count - results.IndexOf(Best(results)) > Patience) break;
            }
            return results;
        }

        Action<int> Tell(double decay) => passes => progress?.Report(new LinearProbeProgress(layers, decays.Length + 1, decay, passes));
    }

    /// <summary>The layer itself, for vectors as they are.</summary>
    /// <param name="train">(N, D): what it is trained on; what has no label is left out.</param>
    /// <param name="classes">K.</param>
    /// <param name="decay">Above 0: one that <see cref="Run"/> found.</param>
    /// <param name="device">Where it is computed; null: the CPU.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>(K, D) row by row, and (K)</returns>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    internal static (float[] Weight, float[] Bias) Layer(LabelledVectors train, int classes, double decay, Device? device = null, CancellationToken cancellation = default)
    {
        Check(train, train.Width, classes);
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        using var threads = new WorkerThreads(WorkerThreads.DefaultOn(device ?? CPU));
        using var trained = StandardizedVectors.Of(device ?? CPU, threads, train);
        using var regression = new SoftmaxRegression(trained, classes, cancellation);
        return trained.ForRaw(regression.Minimize(regression.Zero(), decay, cancellation: cancellation).Weights);
    }

    /// <summary>The best by top-1; of equals the strongest decay.</summary>
    private static LinearResult Best(List<LinearResult> grid) => grid.OrderByDescending(result => result.Top1.Correct).First();

    private static void Check(LabelledVectors side, int width, int classes)
    {
        if (side.Width != width) throw new ArgumentException($"Vectors of {width} and of {side.Width} numbers do not go together.");
        if (side.Labels.Max() is var largest && largest >= classes) throw new ArgumentException($"There is a label {largest}, and there are {classes} classes.");
        if (!side.Labels.Any(label => label >= 0)) throw new ArgumentException("Of the training, the development or the test vectors none has a label.");
    }
}

/// <summary>How far a probe is.</summary>
/// <param name="Layer">Which layer is being trained, from 0.</param>
/// <param name="MostLayers">How many there are at most; there are fewer when weaker decays turn out no better.</param>
/// <param name="Decay">Its weight decay.</param>
/// <param name="Passes">How often it has seen all vectors.</param>
public readonly record struct LinearProbeProgress(int Layer, int MostLayers, double Decay, int Passes);

/// <summary>What a linear probe says of vectors.</summary>
/// <param name="Width">D.</param>
/// <param name="Classes">Classes.</param>
/// <param name="Development">On the development vectors, with the decay that did best there.</param>
/// <param name="Test">On the test vectors, with the same decay; null where there were none.</param>
/// <param name="Grid">On the development vectors, with each decay that was tried: the strongest first, and three weaker than the best one.</param>
public sealed record LinearProbeReport(int Width, int Classes, LinearResult Development, LinearResult? Test, IReadOnlyList<LinearResult> Grid)
{
    /// <summary>The figures that count: those of the test vectors, and where there were none of the development vectors.</summary>
    public LinearResult Measured => Test ?? Development;
}

/// <summary>One trained layer, measured.</summary>
/// <param name="Decay">λ in the mean cross-entropy + ½ · λ · ‖W‖².</param>
/// <param name="Trained">On how many vectors.</param>
/// <param name="Passes">How often it saw them.</param>
/// <param name="Top1">How often the label's class came out first.</param>
/// <param name="Top5">How often it came out among the first five.</param>
public sealed record LinearResult(double Decay, int Trained, int Passes, Accuracy Top1, Accuracy Top5)
{
    /// <summary>What it takes for what.</summary>
    [JsonIgnore]
    public ConfusionMatrix? Confusion { get; init; }
}
