using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Measures an encoder by the classes of its pictures' nearest neighbours, beside what learned nothing.</summary>
/// <remarks>Nothing is trained, so there is nothing to tune: the figure is the encoder's own.</remarks>
public static class KnnEvaluation
{
    /// <summary>Searches the neighbours and lets them vote, for the encoder, the same encoder with random weights, and the pixels.</summary>
    /// <param name="model">The encoder, on <paramref name="device"/>.</param>
    /// <param name="images">Pictures of its size.</param>
    /// <param name="split">Which pictures are classified.</param>
    /// <param name="limit">A seeded, class-balanced subset of so many training pictures as the bank; null: all.</param>
    /// <param name="seed">Draws the split, the subset and the random weights.</param>
    /// <param name="device">The encoder's device.</param>
    /// <param name="cache">Keeps encoders' vectors.</param>
    /// <param name="others">Kinds of vectors that are measured besides <see cref="FeatureKind.Standard"/>; null: none.</param>
    /// <param name="progress">Told as it goes, from several threads, one at a time.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="ImageSourceException">There are no labelled pictures on one of the sides.</exception>
    /// <exception cref="OptionsException">The vectors are too many for one piece of memory.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static KnnReport Run(
        PretrainedEncoder model, ImageSet images, MeasuredSplit split, int? limit, ulong seed, Device device, FeatureCache cache,
        IReadOnlyList<FeatureKind>? others = null, IProgress<EvaluationPhase>? progress = null, CancellationToken cancellation = default)
    {
        var pictures = LabelledPictures.Of(images, split, limit, seed);
        double? rank = null;
        var rows = FeatureComparison.Of(model, images, pictures, seed, device, cache, others ?? [], work: pictures.Asked.Length, (name, known, asked, told) =>
        {
            rank ??= RankMe.Of(known); // the encoder's, which comes first
            var near = NearestNeighbours.Find(asked, known, KnnClassifier.Grid[^1], told, cancellation);
            return new KnnRow(name, KnnClassifier.Evaluate(near, known.Labels, asked.Labels, KnnClassifier.Grid));
        }, progress, cancellation);
        return new KnnReport(
            split, pictures.Known.Length, pictures.Asked.Length, images.ClassNames.Count, KnnClassifier.Standard, KnnClassifier.Temperature, rank!.Value,
            model.Encoder.Options.Width, rows);
    }
}

/// <summary>What k-NN says of an encoder.</summary>
/// <param name="Split">The pictures that were classified.</param>
/// <param name="Bank">How many labelled training pictures they were compared with.</param>
/// <param name="Queries">How many they are.</param>
/// <param name="Classes">Classes.</param>
/// <param name="Neighbours">How many neighbours vote in the figures that count.</param>
/// <param name="Temperature">See <see cref="KnnClassifier"/>.</param>
/// <param name="RankMe">Of the encoder's bank, see <see cref="Evaluation.RankMe"/>.</param>
/// <param name="Width">What that is at most.</param>
/// <param name="Rows">The encoder, then what it is compared with.</param>
public sealed record KnnReport(
    MeasuredSplit Split, int Bank, int Queries, int Classes, int Neighbours, double Temperature, double RankMe, int Width, IReadOnlyList<KnnRow> Rows);

/// <summary>The figures of one kind of vectors.</summary>
/// <param name="Name">Which.</param>
/// <param name="Grid">For several numbers of neighbours.</param>
public sealed record KnnRow(string Name, IReadOnlyList<KnnAccuracy> Grid)
{
    /// <summary>Those of the number that counts.</summary>
    public KnnAccuracy Standard => Grid.First(accuracy => accuracy.Neighbours == KnnClassifier.Standard);
}
