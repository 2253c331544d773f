using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Measures an encoder's vectors, those of the same encoder with random weights and the pixels alike: a figure says little by itself.</summary>
internal static class FeatureComparison
{
    /// <summary>What is measured of one kind of vectors.</summary>
    /// <param name="name">Which kind.</param>
    /// <param name="known">Of the pictures that classes are learned from.</param>
    /// <param name="asked">Of the pictures that are recognised.</param>
    /// <param name="progress">Told how much of the work is done.</param>
    public delegate T Measurement<out T>(string name, LabelledVectors known, LabelledVectors asked, IProgress<int> progress);

    /// <summary>Makes the vectors of each kind, or reads those that are kept, and measures them.</summary>
    /// <param name="model">The encoder, on <paramref name="device"/>.</param>
    /// <param name="images">Pictures of its size.</param>
    /// <param name="pictures">Which of them.</param>
    /// <param name="seed">Draws the random weights.</param>
    /// <param name="device">The encoder's device.</param>
    /// <param name="cache">Keeps encoders' vectors.</param>
    /// <param name="others">Kinds of vectors besides <see cref="FeatureKind.Standard"/>.</param>
    /// <param name="work">How much a measurement is, where making a picture's vector is 1.</param>
    /// <param name="measure">Measures.</param>
    /// <param name="progress">Told as it goes.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>The encoder's first, then what it is compared with.</returns>
    public static List<T> Of<T>(
        PretrainedEncoder model, ImageSet images, LabelledPictures pictures, ulong seed, Device device, FeatureCache cache,
        IReadOnlyList<FeatureKind> others, int work, Measurement<T> measure, IProgress<EvaluationPhase>? progress, CancellationToken cancellation)
    {
        foreach (var kind in others) kind.Require(model.Encoder.Options);
        FeatureKind[] kinds = [FeatureKind.Standard, .. others];
        FeatureSource[] sources =
        [
            .. kinds.Select(kind => FeatureSource.OfModel(model, device, kind)),
            .. kinds.Select(kind => FeatureSource.OfRandomWeights(model.Encoder.Options, model.Normalization, seed, device, FeatureSource.TypeOf(model.Encoder), kind)),
            FeatureSource.OfPixels(model.Normalization),
        ];
        var (first, second) = (pictures.Known.Length, pictures.Asked.Length);
        var (steps, rows) = (first + second + work, new List<T>());
        foreach (var source in sources)
        {
            var done = rows.Count * steps;
            var known = cache.Of(source, images, pictures.Known, Tell(0), cancellation);
            var asked = cache.Of(source, images, pictures.Asked, Tell(first), cancellation);
            rows.Add(measure(source.Name, known, asked, Tell(first + second)));

            Relay<int> Tell(int before) => new(n => progress?.Report(new EvaluationPhase(source.Name, done + before + n, sources.Length * steps)));
        }
        return rows;
    }
}

/// <summary>How far an evaluation is.</summary>
/// <param name="Words">What is at work.</param>
/// <param name="Done">How much is done.</param>
/// <param name="Total">Of how much.</param>
public readonly record struct EvaluationPhase(string Words, int Done, int Total);
