using System.Globalization;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Ranks;
using Tessera.Training;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Names pictures while a classifier is trained.</summary>
/// <param name="model">The classifier, on <paramref name="device"/> when this is run, in the number format that it is trained in.</param>
/// <param name="normalization">How its pictures are standardised.</param>
/// <param name="images">The pictures.</param>
/// <param name="pictures">Which of them, at least one with a label.</param>
/// <param name="device">The model's device.</param>
/// <param name="split">What the pictures are, for the metrics' names.</param>
/// <param name="ranks">Those who share the pictures; null: this process alone.</param>
public sealed class ClassificationEvaluator(
    Classifier model, PixelNormalization normalization, ImageSet images, int[] pictures, Device device, MeasuredSplit split, Communicator? ranks = null) : Evaluator
{
    private readonly string prefix = ReportText.Word(split) + "/";

    /// <inheritdoc/>
    public override string Name => "classification";

    /// <inheritdoc/>
    public override int Pictures => pictures.Length;

    /// <inheritdoc/>
    public override EvaluationResult Run(int epoch, IProgress<int>? progress, CancellationToken cancellation)
    {
        var report = ClassificationEvaluation.Run(model, normalization, images, pictures, device, split, progress, ranks, cancellation).Report;
        List<Metric> metrics = [new(prefix + "top-1", 100 * report.Top1.Share, "%")];
        if (report.Classes > 5) metrics.Add(new(prefix + "top-5", 100 * report.Top5.Share, "%")); // of fewer it says nothing
        metrics.Add(new(prefix + "loss", report.Loss, Metric.LossUnit));
        return new EvaluationResult(metrics, string.Create(CultureInfo.InvariantCulture,
            $"top-1 {100 * report.Top1.Share:f2} % of {report.Top1.Count} {ReportText.Word(split)} pictures, loss {report.Loss:f3}"));
    }
}
