using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Ranks;
using Tessera.Training;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Restores held-out pictures while a masked autoencoder is trained: PSNR and SSIM beside the baselines, and a picture.</summary>
/// <param name="model">The model, on <paramref name="device"/> when this is run.</param>
/// <param name="normalization">How its pictures are standardised.</param>
/// <param name="images">The pictures.</param>
/// <param name="pictures">Which of them, ascending.</param>
/// <param name="masks">Draws the masks, those of epoch 0: the same each time.</param>
/// <param name="device">The model's device.</param>
/// <param name="split">What the pictures are, for the metrics' names.</param>
/// <param name="ranks">Those who share the pictures; null: this process alone.</param>
public sealed class ReconstructionEvaluator(
    MaskedAutoencoder model, PixelNormalization normalization, ImageSet images, int[] pictures, MaskSampler masks, Device device,
    MeasuredSplit split = MeasuredSplit.HeldOut, Communicator? ranks = null) : Evaluator
{
    private const int ShownPictures = 8;
    private const string Psnr = "PSNR", Ssim = "SSIM", Loss = "loss";
    private const string Weighting = ", inverse distance", Mean = ", visible mean";

    private readonly string prefix = ReportText.Word(split) + "/";

    /// <inheritdoc/>
    public override string Name => "reconstructions";

    /// <inheritdoc/>
    public override int Pictures => pictures.Length;

    /// <inheritdoc/>
    public override EvaluationResult Run(int epoch, IProgress<int>? progress, CancellationToken cancellation)
    {
        var report = ReconstructionEvaluation.Run(model, normalization, images, pictures, masks, device, progress: progress, cancellation: cancellation, ranks: ranks);
        var picture = double.IsFinite(report.Loss) ? ReconstructionFigure.Draw(model, normalization, images, Shown(), masks, device) : null;
        return new EvaluationResult(MetricsOf(report), ReportText.Line(report, split), picture);
    }

    /// <summary>The report that a run's metrics tell of.</summary>
    internal ReconstructionReport ReportOf(IReadOnlyList<Metric> metrics)
    {
        double Of(string name) => metrics.First(m => m.Name == prefix + name).Value;
        ReconstructionQuality Quality(string whose) => new(Of(Psnr + whose), Of(Ssim + whose));
        return new ReconstructionReport(Pictures, Of(Loss), Quality(""), Quality(Mean), Quality(Weighting),
            model.Options.Target == ReconstructionTarget.NormalizedPixels);
    }

    private Metric[] MetricsOf(ReconstructionReport report) =>
    [
        .. Of("", report.Model), .. Of(Weighting, report.InverseDistance), .. Of(Mean, report.VisibleMean),
        new Metric(prefix + Loss, report.Loss, Metric.LossUnit),
    ];

    private Metric[] Of(string whose, ReconstructionQuality quality) =>
        [new(prefix + Psnr + whose, quality.Psnr, "dB", whose.Length > 0), new(prefix + Ssim + whose, quality.Ssim, "SSIM", whose.Length > 0)];

    /// <summary>The same pictures each time, spread over the held-out ones so that they show several classes.</summary>
    private int[] Shown()
    {
        var count = Math.Min(ShownPictures, pictures.Length);
        return [.. Enumerable.Range(0, count).Select(i => pictures[(int)((long)i * pictures.Length / count)])];
    }
}
