namespace Tessera.Training;

/// <summary>Measures a model while it is trained, on pictures that training does not see.</summary>
public abstract class Evaluator
{
    /// <summary>What it measures, in a word: the folder of its pictures in a run directory.</summary>
    public abstract string Name { get; }

    /// <summary>How many pictures it looks at.</summary>
    public abstract int Pictures { get; }

    /// <summary>Measures. The model's weights are those to be judged: the averaged ones where a training keeps such.</summary>
    /// <param name="epoch">Epochs made.</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public abstract EvaluationResult Run(int epoch, IProgress<int>? progress, CancellationToken cancellation);
}

/// <summary>What an evaluation found.</summary>
/// <param name="Metrics">Figures.</param>
/// <param name="Line">The same in a line for people.</param>
/// <param name="Picture">A PNG that shows it; null: none.</param>
public sealed record EvaluationResult(IReadOnlyList<Metric> Metrics, string Line, byte[]? Picture = null);

/// <summary>A figure of a training, as <c>metrics.jsonl</c>, TensorBoard and the curves have it.</summary>
/// <param name="Name">What it is of, and what it is: <c>held-out/PSNR</c>. The name is TensorBoard's tag.</param>
/// <param name="Value">Its value.</param>
/// <param name="Unit">Figures of one unit share a panel of the curves.</param>
/// <param name="IsBaseline">A figure of something that learns nothing, to compare with: drawn dashed.</param>
public sealed record Metric(string Name, double Value, string Unit, bool IsBaseline = false)
{
    /// <summary>The unit of losses: a loss that is not finite ends a training.</summary>
    public const string LossUnit = "loss";
}
