using System.Globalization;
using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Ranks;
using Tessera.Training;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>What an encoder is worth while it is trained: RankMe and, where pictures have labels, k-NN among them.</summary>
/// <param name="encoder">The encoder, on <paramref name="device"/> when this is run, in the number format that it is trained in.</param>
/// <param name="normalization">How its pictures are standardised.</param>
/// <param name="images">The pictures.</param>
/// <param name="pictures">Which of them: of the development split, since choices are made by what is seen during training.</param>
/// <param name="device">The encoder's device.</param>
/// <param name="ranks">Those who share the pictures; null: this process alone.</param>
/// <remarks>
/// Each labelled picture is classified by its nearest neighbours among the others. They are few, so the figure is lower than that of
/// <see cref="KnnEvaluation"/>: it is there to be compared from epoch to epoch.
/// </remarks>
public sealed class FeatureEvaluator(
    VisionTransformer encoder, PixelNormalization normalization, ImageSet images, int[] pictures, Device device, Communicator? ranks = null) : Evaluator
{
    /// <summary>Fewer pictures say nothing: one has no neighbour.</summary>
    public const int FewestPictures = 2;

    private static readonly string Prefix = ReportText.Word(MeasuredSplit.Development) + "/";

    /// <inheritdoc/>
    public override string Name => "features";

    /// <inheritdoc/>
    public override int Pictures => pictures.Length;

    /// <inheritdoc/>
    public override EvaluationResult Run(int epoch, IProgress<int>? progress, CancellationToken cancellation)
    {
        var features = FeatureExtraction.OfEncoder(encoder, normalization, images, pictures, device, progress: progress, cancellation: cancellation, ranks: ranks);
        var rank = RankMe.Of(features);
        var metrics = new List<Metric> { new(Prefix + "RankMe", rank, "rank") };
        var line = string.Create(CultureInfo.InvariantCulture, $"RankMe {rank:f1} of {features.Width}");
        if (features.Labels.Count(label => label >= 0) >= FewestPictures)
        {
            var top1 = KnnClassifier.Evaluate(
                NearestNeighbours.Among(features, KnnClassifier.Standard, cancellation: cancellation), features.Labels, features.Labels, [KnnClassifier.Standard])[0].Top1;
            metrics.Insert(0, new Metric(Prefix + "k-NN", 100 * top1.Share, "%"));
            line = string.Create(CultureInfo.InvariantCulture, $"k-NN {100 * top1.Share:f1} %, {line}");
        }
        return new EvaluationResult(metrics, $"{line} on {pictures.Length} {ReportText.Word(MeasuredSplit.Development)} pictures");
    }
}
