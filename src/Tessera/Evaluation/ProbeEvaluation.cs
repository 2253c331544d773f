using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Measures an encoder by a small head that is trained in steps on varied pictures, as papers do, beside the same encoder with random weights.</summary>
/// <remarks>
/// Heads of several rates are trained at once, on training pictures without the development split. The best of them by top-1 there is the one that
/// is measured, on held-out pictures once. <see cref="LinearEvaluation"/> has no rate and no epochs to be chosen; this is for figures beside papers'.
/// </remarks>
public static class ProbeEvaluation
{
    /// <summary>Trains heads for the encoder and for the same encoder with random weights, and measures the best of each.</summary>
    /// <param name="protocol">What the head is.</param>
    /// <param name="options">How long it is trained, and how.</param>
    /// <param name="model">The encoder, on <paramref name="device"/>.</param>
    /// <param name="images">Pictures of its size.</param>
    /// <param name="split">Which pictures are recognised. With <see cref="MeasuredSplit.Development"/> the figures are those that the rate was chosen by.</param>
    /// <param name="limit">A seeded, class-balanced subset of so many training pictures; null: all. Held-out pictures measured, it counts those that are chosen by.</param>
    /// <param name="seed">Draws the split, the subset, crops, orders, the heads' weights and the random ones.</param>
    /// <param name="device">The encoder's device.</param>
    /// <param name="layers">Layers that are measured besides the last; several stand together. Null: none.</param>
    /// <param name="progress">Told as it goes.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="ImageSourceException">There are no labelled pictures on one of the sides.</exception>
    /// <exception cref="OptionsException">An option is wrong, a limit leaves none to choose by, or the encoder has fewer layers.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static ProbeReport Run(
        ProbeProtocol protocol, ProbeOptions options, PretrainedEncoder model, ImageSet images, MeasuredSplit split, int? limit, ulong seed, Device device,
        IReadOnlyList<IReadOnlyList<int>>? layers = null, IProgress<EvaluationPhase>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(model);
        if (options.Faults().ToList() is { Count: > 0 } faults) throw new OptionsException(faults);
        var shape = model.Encoder.Options;
        var pooling = protocol == ProbeProtocol.Attentive ? Pooling.Patches : Pooling.Mean;
        FeatureKind[] kinds = [new(pooling), .. (layers ?? []).Select(chosen => new FeatureKind(pooling, chosen))];
        foreach (var kind in kinds) kind.Require(shape);
        var pictures = ChosenPictures.Of(LabelledPictures.Of(images, split, limit, seed), images, split, seed);

        var rates = protocol == ProbeProtocol.Attentive ? AttentiveRates : LinearRates;
        var trained = pictures.Train.Length * options.Epochs;
        var steps = trained + pictures.Choice.Length + (pictures.Test?.Length ?? 0); // of one row, in pictures
        var rows = new List<ProbeRow>();
        foreach (var kind in kinds) Measure("encoder" + Layers(kind), model.Encoder, kind);
        using var random = FeatureSource.RandomEncoder(shape, seed, device, FeatureSource.TypeOf(model.Encoder));
        foreach (var kind in kinds) Measure(FeatureSource.RandomWeights + Layers(kind), random, kind);
        return new ProbeReport(protocol, split, images.ClassNames.Count, pictures.Train.Length, (pictures.Test ?? pictures.Choice).Length, options.Epochs, rows);

        void Measure(string name, VisionTransformer encoder, FeatureKind kind)
        {
            var heads = rates.Select(rate => Head(kind, rate)).ToList();
            try
            {
                var training = new ProbeTraining(
                    images, pixels => kind.Of(encoder, model.Normalization.Standardize(pixels)), FeatureExtraction.PartFor(shape), options, seed, device);
                training.Train(heads, pictures.Train, Tell(0), cancellation);
                var found = training.Measure(heads, pictures.Choice, Tell(trained), cancellation);
                List<ProbeResult> grid = [.. rates.Zip(found, (rate, measured) => new ProbeResult(rate, measured.Top1, measured.Top5))];
                var best = grid.OrderByDescending(result => result.Top1.Correct).First();
                var chosen = best;
                if (pictures.Test is { } test)
                {
                    var (top1, top5) = training.Measure([heads[grid.IndexOf(best)]], test, Tell(trained + pictures.Choice.Length), cancellation)[0];
                    chosen = new ProbeResult(best.Rate, top1, top5);
                }
                rows.Add(new ProbeRow(name, chosen, grid));
            }
            finally
            {
                heads.ForEach(head => head.Dispose());
            }

            Relay<int> Tell(int before)
            {
                var done = (rows.Count * steps) + before;
                return new(n => progress?.Report(new EvaluationPhase(name, done + n, 2 * kinds.Length * steps)));
            }
        }

        ProbeHead Head(FeatureKind kind, double rate)
        {
            var classes = images.ClassNames.Count;
            return protocol == ProbeProtocol.Attentive
                ? new AttentiveHead(shape.Width, shape.Heads, classes, rate, seed, device) : new LinearHead(kind.Width(shape), classes, rate, seed, device);
        }
    }

    private static string Layers(FeatureKind kind) => kind.Layers.Count == 0 ? "" : $", {kind.Where}";

    /// <summary>Peak rates of LARS for batches of 256. The first is the paper's, of 90 epochs with 1,281,167 pictures; fewer steps want larger ones.</summary>
    internal static readonly double[] LinearRates = [0.1, 0.4, 1.6, 6.4, 25.6, 102.4];

    /// <summary>Peak rates of AdamW for batches of 256.</summary>
    internal static readonly double[] AttentiveRates = [1e-3, 3e-3, 1e-2, 3e-2];
}

/// <summary>What a probe's head is, and how it is trained.</summary>
public enum ProbeProtocol
{
    /// <summary>MAE's linear probe (arXiv:2111.06377, section A.1): varied views, batch norm without scale, a linear layer, LARS without decay.</summary>
    Linear,

    /// <summary>One query that looks at all patch tokens, then a linear layer; AdamW. As AIM (arXiv:2401.08541) compares encoders whose tokens were never pooled.</summary>
    Attentive,
}

/// <summary>What heads that were trained in steps say of an encoder.</summary>
/// <param name="Protocol">What the head is.</param>
/// <param name="Split">The pictures that were recognised.</param>
/// <param name="Classes">Classes.</param>
/// <param name="Trained">How many labelled pictures the heads were trained on.</param>
/// <param name="Measured">How many were recognised.</param>
/// <param name="Epochs">How often the heads saw them.</param>
/// <param name="Rows">The encoder, then the same with random weights.</param>
public sealed record ProbeReport(ProbeProtocol Protocol, MeasuredSplit Split, int Classes, int Trained, int Measured, int Epochs, IReadOnlyList<ProbeRow> Rows);

/// <summary>The figures of one encoder and kind of tokens.</summary>
/// <param name="Name">Which.</param>
/// <param name="Measured">Of the head that did best on the development pictures, on those that are measured.</param>
/// <param name="Grid">Of every head, on the development pictures.</param>
public sealed record ProbeRow(string Name, ProbeResult Measured, IReadOnlyList<ProbeResult> Grid);

/// <summary>One trained head, measured.</summary>
/// <param name="Rate">The peak of its learning rate, for batches of 256.</param>
/// <param name="Top1">How often the label's class came out first.</param>
/// <param name="Top5">How often it came out among the first five.</param>
public sealed record ProbeResult(double Rate, Accuracy Top1, Accuracy Top5);
