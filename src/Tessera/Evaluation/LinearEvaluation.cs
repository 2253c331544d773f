using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Measures an encoder by what a linear layer on its vectors reaches, beside what learned nothing.</summary>
public static class LinearEvaluation
{
    private const int MostPairs = 20; // that are named

    /// <summary>Trains linear layers on the vectors of the encoder, of the same encoder with random weights, and on the pixels.</summary>
    /// <param name="model">The encoder, on <paramref name="device"/>.</param>
    /// <param name="images">Pictures of its size.</param>
    /// <param name="split">
    /// Which pictures are recognised. The held-out ones are met when all is chosen, by layers that are trained on the development pictures too. With
    /// <see cref="MeasuredSplit.Development"/> they are not read at all: the figures are those that the choice was made by.
    /// </param>
    /// <param name="limit">A seeded, class-balanced subset of so many training pictures; null: all. Held-out pictures measured, it counts those that are chosen by.</param>
    /// <param name="seed">Draws the split, the subset and the random weights.</param>
    /// <param name="device">The encoder's device.</param>
    /// <param name="cache">Keeps encoders' vectors.</param>
    /// <param name="others">Kinds of vectors that are measured besides <see cref="FeatureKind.Standard"/>; null: none.</param>
    /// <param name="progress">Told as it goes.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="ImageSourceException">There are no labelled pictures on one of the sides.</exception>
    /// <exception cref="OptionsException">The vectors are too many for one piece of memory, or a limit leaves none to choose by.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static LinearReport Run(
        PretrainedEncoder model, ImageSet images, MeasuredSplit split, int? limit, ulong seed, Device device, FeatureCache cache,
        IReadOnlyList<FeatureKind>? others = null, IProgress<EvaluationPhase>? progress = null, CancellationToken cancellation = default)
    {
        var pictures = LabelledPictures.Of(images, split, limit, seed);
        var choosing = ChosenPictures.Of(pictures, images, split, seed).Choice.ToHashSet();

        var rows = FeatureComparison.Of(model, images, pictures, seed, device, cache, others ?? [], work: pictures.Known.Length, Measure, progress, cancellation);
        return new LinearReport(
            split, images.ClassNames.Count, rows[0].Probe.Measured.Trained, rows[0].Probe.Measured.Top1.Count, rows, [.. rows[0].Probe.Measured.Confusion!.Pairs().Take(MostPairs).Select(Named)]);

        ConfusedClasses Named(ConfusedPair pair) => new(Title(pair.First), Title(pair.Second), pair.FirstAsSecond, pair.SecondAsFirst);

        string Title(int label) => ReportText.Title(images, label);

        LinearRow Measure(string name, LabelledVectors known, LabelledVectors asked, IProgress<int> told)
        {
            var (train, choice, test) = split == MeasuredSplit.Development
                ? (known, asked, null)
                : (Where(known, picture => !choosing.Contains(picture)), Where(known, choosing.Contains), asked);
            return new LinearRow(name, LinearProbe.Run(train, choice, test, images.ClassNames.Count, device,
                new Relay<LinearProbeProgress>(p => told.Report((int)((long)pictures.Known.Length * p.Layer / p.MostLayers))), cancellation));
        }

        // The vectors stay where they are: the others lose their labels.
        LabelledVectors Where(LabelledVectors known, Func<int, bool> isTaken) =>
            new(known.Values, known.Width, [.. known.Labels.Select((label, i) => isTaken(pictures.Known[i]) ? label : -1)]);
    }
}

/// <summary>What linear layers say of an encoder.</summary>
/// <param name="Split">The pictures that were recognised.</param>
/// <param name="Classes">Classes.</param>
/// <param name="Trained">How many labelled pictures the layers were trained on.</param>
/// <param name="Measured">How many were recognised.</param>
/// <param name="Rows">The encoder, then what it is compared with.</param>
/// <param name="Confused">The pairs of classes that the encoder's layer confuses most.</param>
public sealed record LinearReport(MeasuredSplit Split, int Classes, int Trained, int Measured, IReadOnlyList<LinearRow> Rows, IReadOnlyList<ConfusedClasses> Confused);

/// <summary>Two classes that were taken for each other, by what people call them.</summary>
/// <param name="First">A class's title.</param>
/// <param name="Second">Another's.</param>
/// <param name="FirstAsSecond">The share of the first's pictures that were taken for the second's, 0 to 1.</param>
/// <param name="SecondAsFirst">The share of the second's pictures that were taken for the first's, 0 to 1.</param>
public sealed record ConfusedClasses(string First, string Second, double FirstAsSecond, double SecondAsFirst);

/// <summary>The figures of one kind of vectors.</summary>
/// <param name="Name">Which.</param>
/// <param name="Probe">The figures.</param>
public sealed record LinearRow(string Name, LinearProbeReport Probe);
