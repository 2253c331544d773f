using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Tessera.Data;
using Tessera.Embeddings;
using Tessera.Evaluation;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Ranks;
using Tessera.Runtime;
using Tessera.Training;
using Tessera.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Runs;

/// <summary>Makes a classifier of an encoder: puts the objective, the pictures, the evaluation and the training loop together.</summary>
/// <remarks>
/// Where pictures are held out to choose by, a linear layer on the frozen encoder's vectors is held against the fine-tuned model on them, and the better
/// of the two is kept: with few pictures it may be the layer.
/// </remarks>
public sealed class Finetuning : IDisposable
{
    private const int MostBeforehand = 20_000; // pictures for the layer that is begun with: more make it hardly better

    private readonly RunDirectory? run; // null: another rank's
    private readonly Communicator ranks;
    private readonly FinetuneOptions options;
    private readonly ImageSet images;
    private readonly FinetuneSplit split;
    private readonly FinetuneModel model;
    private readonly VisionTransformerOptions shape;
    private readonly ILogger logger;
    private readonly ClassObjective objective;
    private readonly Device device;
    private readonly TrainingLoop loop;

    /// <summary>Prepares a run, and brings it to its newest checkpoint where it has one.</summary>
    /// <param name="run">Its directory, new or begun, which stays with the caller; null on ranks other than the first.</param>
    /// <param name="options">Its options, filled in by <see cref="FinetuneModel.Fill"/>.</param>
    /// <param name="images">Its pictures, at the options' size; the caller has named those that are known to be broken.</param>
    /// <param name="progress">Told after each step, on the training thread.</param>
    /// <param name="logger">Told what happens, in words.</param>
    /// <param name="ranks">Those who share the run; null: this process alone. They stay with the caller.</param>
    /// <exception cref="OptionsException">The options cannot be run on these pictures; every fault is named.</exception>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    /// <exception cref="ModelFileException">The model cannot be read.</exception>
    /// <exception cref="RunDirectoryException">A checkpoint is damaged, or a file cannot be written.</exception>
    /// <exception cref="RanksException">The ranks differ in their options or pictures, or cannot work together.</exception>
    public Finetuning(
        RunDirectory? run, FinetuneOptions options, ImageSet images, IProgress<TrainingProgress>? progress = null, ILogger? logger = null, Communicator? ranks = null)
    {
        (this.run, this.images, this.logger, this.ranks) = (run, images, logger ?? NullLogger.Instance, ranks ??= Communicator.Alone);
        ClassObjective? made = null;
        TrainingLoop? prepared = null;
        try
        {
            RankAgreement.Require(ranks, options, images);
            model = FinetuneModel.Of(options);
            this.options = options = options with { Training = options.Training.ResolvedFor(ranks, model.GradientBytes) };
            split = CheckedSplit(options, model, images);
            shape = model.ShapeFor(options.Data);
            device = ComputeDevice.Resolve(options.Training.Device);
            var normalization = options.FromScratch ? TrainingData.NormalizationOf(images) : model.Description!.Normalization;
            var classifier = new Classifier(shape, options.Classes.Pooling, images.ClassNames.Count, options.Seed);
            var crops = new Augmentation(options.Augmentation, shape.ImageHeight, shape.ImageWidth, options.Seed, shape.Channels);
            objective = made = new ClassObjective(classifier, options.Classes, split.Shares, crops, Describe(normalization), options.Seed);
            ComputePrecision.Apply(options.Training.Precision, device); // of the layer that is begun with, too
            // The loop gives the first rank's weights to all.
            if (!options.FromScratch) ranks.FromFirst(() => RunDirectory.NewestCheckpoint(run!.Folder) is not null || Begin(classifier));
            var watched = BatchLoader.Subset(split.Watched, options.Training.EvaluateLimit, options.Seed);
            Evaluator[] evaluators = watched.Length == 0 ? [] : [new ClassificationEvaluator(classifier, normalization, images, watched, device, split.WatchedSplit, ranks)];
            var data = new TrainingData(images, split.Train, normalization, options.Seed, options.Data.OnDevice);
            loop = prepared = new TrainingLoop(run, options.Training, objective, data, evaluators, progress, this.logger, ranks);
            if (loop.Step < loop.Steps) run?.WriteOptions(options); // some may have changed since the run was begun
        }
        catch
        {
            prepared?.Dispose();
            made?.Dispose();
            run?.Abandon();
            throw;
        }
    }

    /// <summary>Optimiser steps made so far.</summary>
    public long Step => loop.Step;

    /// <summary>Optimiser steps of the whole run.</summary>
    public long Steps => loop.Steps;

    /// <summary>Checks that these pictures can be trained on with these options.</summary>
    /// <exception cref="OptionsException">They cannot; every fault is named.</exception>
    public static FinetuneSplit CheckedSplit(FinetuneOptions options, FinetuneModel model, ImageSet images)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(images);
        options.Validate();
        options.Validate(model.ShapeFor(options.Data));
        var split = FinetuneSplit.Of(options, images);
        var faults = new List<OptionFault>();
        if (images.Shape != options.Data.Shape) faults.Add($"the pictures are {images.Shape}, and the options ask for {options.Data.Shape}");
        if (options.Training.BatchFault(split.Train.Length) is { } fault) faults.Add(fault);
        return faults.Count == 0 ? split : throw new OptionsException(faults);
    }

    /// <summary>Asks for a checkpoint after the step at hand; may be called from any thread. The run goes on.</summary>
    public void SaveSoon() => loop.SaveSoon();

    /// <summary>Trains to the end of the run, chooses, and measures.</summary>
    /// <param name="cancellation">Ends the run after the current step, with a checkpoint.</param>
    /// <exception cref="OperationCanceledException">The run was ended early; its checkpoint is written.</exception>
    /// <exception cref="TrainingDivergedException">The loss is no longer finite; the last good checkpoint stands.</exception>
    /// <exception cref="RunDirectoryException">A file cannot be written; the last good checkpoint stands.</exception>
    /// <exception cref="RanksException">The ranks no longer agree, or one cannot be reached; the last good checkpoint stands.</exception>
    public FinetuneSummary Run(CancellationToken cancellation = default)
    {
        // Of a run that was finished, or killed just before, it may be the layer that was kept already: both are chosen between again, from the checkpoint.
        if (run is not null && loop.Step == loop.Steps) RunDirectory.Guard(run.ModelFile, () => File.Delete(run.ModelFile));
        var result = loop.Run(cancellation);
        return ranks.FromFirst(() => Summarize(result, run!, cancellation)); // few pictures decide: the others wait
    }

    /// <summary>Frees the model and all that trains it; run and pictures stay.</summary>
    public void Dispose()
    {
        loop.Dispose();
        objective.Dispose();
    }

    private FinetuneSummary Summarize(TrainingResult result, RunDirectory run, CancellationToken cancellation)
    {
        using var exact = ComputePrecision.Exact();
        var choice = Choose(run, cancellation);
        using var kept = ModelFile.LoadClassifier(run.ModelFile, device);
        var measured = Measure(run, kept.Model, kept.Normalization, cancellation);
        var info = ModelInfo.Read(run.ModelFile);
        var summary = new FinetuneSummary(
            run.Folder, $"{images.SourceKind}: {images.SourceLocation}", model.File is null || options.FromScratch ? "random weights" : Path.GetFileName(model.File), images.ClassNames.Count,
            split.Train.Length, split.Unlabelled.Length, images.Broken, info.Parameters, options.Training.Epochs, result.Steps, options.Training.Device, result.Seconds,
            result.ImagesPerSecond, result.FinalLoss, choice, measured);
        RunDirectory.WriteText(run.SummaryFile, JsonSerializer.Serialize(summary, TesseraJson.Options) + "\n");
        return summary;
    }

    private ModelDescription Describe(PixelNormalization normalization) => new()
    {
        Encoder = shape,
        Normalization = normalization,
        Classes = new ClassHead { Pooling = options.Classes.Pooling, Names = [.. images.ClassNames], Titles = [.. images.ClassTitles] },
        Data = new DataFacts($"{images.SourceKind}: {Path.GetFileName(images.SourceLocation)}", images.Fingerprint, options.Seed, options.HoldOut, split.Train.Length),
        Training = new Dictionary<string, string>
        {
            ["encoder"] = options.FromScratch ? "from scratch" : model.Description!.Training.TryGetValue("name", out var name) ? name : Path.GetFileName(options.Model.TrimEnd('/', '\\')),
        },
    };

    private bool Begin(Classifier classifier)
    {
        using var source = ModelSource.Open(model.File!, ModelFile.AsItStands);
        InitialWeights.Take(source, classifier.Encoder);
        if (model.Description!.Classes is { } known)
        {
            if (known.Names.SequenceEqual(images.ClassNames) && known.Pooling == options.Classes.Pooling)
            {
                foreach (var (name, value) in ModelFile.Parameters(classifier).Where(p => p.Name.StartsWith(ModelFile.HeadPrefix, StringComparison.Ordinal))) source.Read(name, value);
                return true;
            }
            logger.LogInformation("the model knows other classes than the pictures have ({Known} there, {Wanted} here; {Names} only there): its encoder is taken, and its layer of classes made anew",
                known.Names.Count, images.ClassNames.Count, string.Join(", ", known.Names.Except(images.ClassNames).DefaultIfEmpty("none").Take(3)));
        }
        if (!options.Classes.LayerFirst) return true;
        var pictures = BatchLoader.Subset(split.Train, MostBeforehand, options.Seed);
        // What decides on the layer's decay is a fifth that it is not trained on; then it is trained on all.
        var deciding = BatchLoader.Subset(pictures, Math.Max(1, pictures.Length / 5), options.Seed);
        var report = FitLayer(classifier, [.. pictures.Except(deciding)], deciding, thenOnAll: true, cancellation: default);
        logger.LogInformation("begun with a linear layer on the frozen encoder, right on {Share} of training pictures that it was not trained on",
            string.Create(CultureInfo.InvariantCulture, $"{100 * report.Share:f1} %"));
        return true;
    }

    /// <summary>Holds the fine-tuned model against a linear layer on the frozen encoder, and keeps what is better on pictures that neither was trained on.</summary>
    private FinetuneChoice? Choose(RunDirectory run, CancellationToken cancellation)
    {
        using var tuned = ModelFile.LoadClassifier(run.ModelFile, device);
        FinetuneChoice? choice = null;
        var (kept, description) = (tuned.Model, tuned.Description);
        using var frozen = split.Choice.Length == 0 || options.FromScratch ? null : new Classifier(shape, options.Classes.Pooling, images.ClassNames.Count, options.Seed);
        if (frozen is not null)
        {
            var ofTuned = ClassificationEvaluation.Run(tuned.Model, tuned.Normalization, images, split.Choice, device, MeasuredSplit.Development, cancellation: cancellation).Report.Top1;
            var ofLayer = Fit(frozen, cancellation);
            choice = new FinetuneChoice(ofTuned, ofLayer, KeepsLayer: ofLayer.Correct > ofTuned.Correct);
            if (choice.KeepsLayer) (kept, description) = (frozen, description with { Training = new Dictionary<string, string>(description.Training) { ["kept"] = "a linear layer on the frozen encoder" } });
        }
        if (split.Watched.Length == 0)
        {
            // Pictures that it was trained on it is sure of: by them every other would look like none of its classes.
            ModelFile.SaveClassifier(run.ModelFile, kept, null, description);
            return choice;
        }
        var (means, familiarity) = FamiliarityMeasure.Measure(
            kept, description.Normalization, images, split.Train, split.Watched, heldOut: true, options.Seed, device, cancellation);
        using (means) ModelFile.SaveClassifier(run.ModelFile, kept, means, description with { Classes = description.Classes! with { Familiarity = familiarity } });
        return choice;
    }

    /// <summary>Puts a linear layer on the frozen encoder.</summary>
    private Accuracy Fit(Classifier frozen, CancellationToken cancellation)
    {
        using (var source = ModelSource.Open(model.File!, ModelFile.AsItStands)) InitialWeights.Take(source, frozen.Encoder);
        return FitLayer(frozen, split.Train, split.Choice, thenOnAll: false, cancellation);
    }

    /// <summary>Trains a classifier's linear layer to its optimum, its encoder as it is.</summary>
    /// <returns>What it reaches on the deciding pictures, with the decay that does best there.</returns>
    private Accuracy FitLayer(Classifier classifier, int[] train, int[] deciding, bool thenOnAll, CancellationToken cancellation)
    {
        using var exact = ComputePrecision.Exact();
        classifier.to(device);
        var kind = FeatureKind.Of(options.Classes.Pooling);
        var vectors = FeatureExtraction.OfEncoder(
            classifier.Encoder, model.Description!.Normalization, images, train.Concat(deciding).ToArray(), device, kind, cancellation: cancellation);
        var (known, asked) = (Labelled(i => i < train.Length), Labelled(i => i >= train.Length));
        var report = LinearProbe.Run(known, asked, test: null, classifier.Classes, device, cancellation: cancellation).Development;
        var (weight, bias) = LinearProbe.Layer(thenOnAll ? vectors : known, classifier.Classes, report.Decay, device, cancellation);
        classifier.FillHead(weight, bias);
        return report.Top1;

        // The vectors stay where they are: the others lose their labels.
        LabelledVectors Labelled(Func<int, bool> isTaken) => new(vectors.Values, vectors.Width, [.. vectors.Labels.Select((label, i) => isTaken(i) ? label : -1)]);
    }

    /// <summary>The figures of what is kept, into the run's directory; null where there is nothing to measure on.</summary>
    private ClassificationReport? Measure(RunDirectory run, Classifier kept, PixelNormalization normalization, CancellationToken cancellation)
    {
        var (pictures, measured) = split.Test.Length > 0 ? (split.Test, MeasuredSplit.HeldOut) : (split.Watched, split.WatchedSplit);
        if (pictures.Length == 0) return null;
        var classified = ClassificationEvaluation.Run(kept, normalization, images, pictures, device, measured, cancellation: cancellation);
        var file = RunEvaluations.Keep(run.Folder, RunEvaluations.Classification, measured, images, classified.Report);
        Picture(file, ConfusionPicture.Encode(classified.Confusion, images));
        Picture(RunEvaluations.MistakesBeside(file), MistakeSheet.Encode(classified.Mistakes, images, split.Train));
        return classified.Report;

        static void Picture(string beside, byte[]? png)
        {
            if (png is not null) RunEvaluations.KeepPicture(Path.ChangeExtension(beside, ".png"), png);
        }
    }
}

/// <summary>A fine-tuned model held against a linear layer on the frozen encoder, on pictures that neither was trained on.</summary>
/// <param name="FineTuned">How often the fine-tuned model is right.</param>
/// <param name="Layer">How often the layer is.</param>
/// <param name="KeepsLayer">Whether the layer is the better, and is what the result holds.</param>
public sealed record FinetuneChoice(Accuracy FineTuned, Accuracy Layer, bool KeepsLayer)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"on {FineTuned.Count} pictures held out to choose by, the fine-tuned model is right {100 * FineTuned.Share:f1} % of the time and a linear layer on the frozen encoder {100 * Layer.Share:f1} %: {(KeepsLayer ? "the layer" : "the fine-tuned model")} is kept");
}

/// <summary>What came out of a fine-tuning, as <c>summary.json</c> holds it.</summary>
/// <param name="Folder">The run directory.</param>
/// <param name="Data">What the pictures are.</param>
/// <param name="Encoder">What it began with.</param>
/// <param name="Classes">Classes.</param>
/// <param name="TrainingPictures">Labelled pictures trained on.</param>
/// <param name="Unlabelled">Pictures that were left out for they have no label.</param>
/// <param name="Broken">Pictures that could not be read and were left out, and why.</param>
/// <param name="Parameters">Learned values of the classifier.</param>
/// <param name="Epochs">Epochs made.</param>
/// <param name="Steps">Optimiser steps made.</param>
/// <param name="Device">Where it ran.</param>
/// <param name="Seconds">Wall-clock time of this process's training, evaluations included.</param>
/// <param name="ImagesPerSecond">Median training throughput over the log intervals; null where metrics.jsonl was lost.</param>
/// <param name="FinalLoss">Mean training loss of the last log interval, with smoothing and mixing; null where metrics.jsonl was lost.</param>
/// <param name="Choice">What was chosen between; null where nothing was held out to choose by.</param>
/// <param name="Measured">The figures of what is kept; null where there was nothing to measure on.</param>
public sealed record FinetuneSummary(
    string Folder, string Data, string Encoder, int Classes, int TrainingPictures, int Unlabelled, IReadOnlyList<BrokenImage> Broken, long Parameters, int Epochs, long Steps,
    string Device, double Seconds, double? ImagesPerSecond, double? FinalLoss, FinetuneChoice? Choice, ClassificationReport? Measured);
