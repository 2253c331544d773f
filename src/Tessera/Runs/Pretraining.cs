using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Tessera.Data;
using Tessera.Evaluation;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Ranks;
using Tessera.Runtime;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Runs;

/// <summary>Pretrains an encoder: puts the objective, the pictures, the evaluation and the training loop together.</summary>
public sealed class Pretraining : IDisposable
{
    private readonly RunDirectory? run; // null: another rank's
    private readonly Communicator ranks;
    private readonly PretrainOptions options;
    private readonly ImageSet images;
    private readonly TrainingData data;
    private readonly PretrainObjective objective;
    private readonly int heldOut;
    private readonly ReconstructionEvaluator? restoring;
    private readonly TrainingLoop loop;

    /// <summary>Prepares a run, and brings it to its newest checkpoint where it has one.</summary>
    /// <param name="run">Its directory, new or begun, which stays with the caller; null on ranks other than the first.</param>
    /// <param name="options">Its options.</param>
    /// <param name="images">Its pictures, at the options' size; the caller has named those that are known to be broken.</param>
    /// <param name="progress">Told after each step, on the training thread.</param>
    /// <param name="logger">Told what happens, in words.</param>
    /// <param name="ranks">Those who share the run; null: this process alone. They stay with the caller.</param>
    /// <exception cref="OptionsException">The options cannot be run on these pictures; every fault is named.</exception>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    /// <exception cref="ModelFileException">The model to begin from cannot be read, or its encoder does not fit.</exception>
    /// <exception cref="RunDirectoryException">A checkpoint is damaged, or a file cannot be written.</exception>
    /// <exception cref="RanksException">The ranks differ in their options or pictures, or cannot work together.</exception>
    public Pretraining(
        RunDirectory? run, PretrainOptions options, ImageSet images, IProgress<TrainingProgress>? progress = null, ILogger? logger = null, Communicator? ranks = null)
    {
        (this.run, this.options, this.images, this.ranks) = (run, options, images, ranks ??= Communicator.Alone);
        logger ??= NullLogger.Instance;
        PretrainObjective? made = null;
        TrainingLoop? prepared = null;
        try
        {
            RankAgreement.Require(ranks, options, images);
            var training = options.Training.ResolvedFor(ranks, options.GradientBytes());
            options = options with { Training = training };
            var split = CheckedSplit(options, images);
            data = DataOf(options, images, split);
            objective = made = ObjectiveOf(options, data);
            // The loop gives the first rank's weights to all.
            if (options.Init is { } init) ranks.FromFirst(() => RunDirectory.NewestCheckpoint(run!.Folder) is not null || Begin(init, logger));
            var measured = options.Data.HoldOutDevelopment ? MeasuredSplit.Development : MeasuredSplit.HeldOut; // the test split is for final figures
            var evaluated = BatchLoader.Subset(split.Pictures(measured), training.EvaluateLimit, options.Seed);
            heldOut = evaluated.Length;
            if (options.Objective.Teaching != Teaching.Views)
                restoring = new ReconstructionEvaluator(
                    objective.Model, data.Normalization, images, evaluated, objective.Masks, ComputeDevice.Resolve(training.Device), measured, ranks);
            Evaluator[] evaluators = [.. restoring is null ? Array.Empty<Evaluator>() : [restoring], .. OfFeatures(objective.Model.Encoder, training, split)];
            loop = prepared = new TrainingLoop(run, training, objective.Objective, data, evaluators, progress, logger, ranks);
            if (loop.Step < training.CoolDownFrom)
                throw new RunDirectoryException($"{run?.Folder} was to be a finished copy of a run, and has no checkpoint to go on from: finish the run again, in another folder.");
            this.options = options;
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
    public static DataSplit CheckedSplit(PretrainOptions options, ImageSet images)
    {
        options.Validate();
        var split = DataSplit.Of(images, options.Data.Limit, options.Seed, options.Data.HoldOutDevelopment);
        var faults = new List<OptionFault>();
        var (shape, wanted) = (images.Shape, options.Data.Shape);
        if (shape != wanted)
            faults.Add($"the pictures have {shape.Channels} channels at {shape.Height}x{shape.Width}, and the options ask for {wanted.Channels} at {wanted.Height}x{wanted.Width}");
        if (options.Training.BatchFault(split.Train.Length) is { } fault) faults.Add(fault);
        return faults.Count == 0 ? split : throw new OptionsException(faults);
    }

    /// <summary>Asks for a checkpoint after the step at hand; may be called from any thread. The run goes on.</summary>
    public void SaveSoon() => loop.SaveSoon();

    /// <summary>Trains to the end of the run.</summary>
    /// <param name="cancellation">Ends the run after the current step, with a checkpoint.</param>
    /// <exception cref="OperationCanceledException">The run was ended early; its checkpoint is written.</exception>
    /// <exception cref="TrainingDivergedException">The loss is no longer finite; the last good checkpoint stands.</exception>
    /// <exception cref="RunDirectoryException">A file cannot be written; the last good checkpoint stands.</exception>
    /// <exception cref="RanksException">The ranks no longer agree, or one cannot be reached; the last good checkpoint stands.</exception>
    public PretrainSummary Run(CancellationToken cancellation = default)
    {
        var result = loop.Run(cancellation);
        return ranks.FromFirst(() => Summarize(result, run!));
    }

    /// <summary>Frees the model and all that trains it; run and pictures stay.</summary>
    public void Dispose()
    {
        loop.Dispose();
        objective.Dispose();
    }

    private PretrainSummary Summarize(TrainingResult result, RunDirectory run)
    {
        var kept = ModelInfo.Read(run.ModelFile);
        var summary = new PretrainSummary(
            run.Folder, $"{images.SourceKind}: {images.SourceLocation}", data.Train.Length, heldOut, images.Broken,
            kept.Parameters, kept.EncoderParameters, options.Training.Epochs, result.Steps, options.Training.Device, result.Seconds, result.ImagesPerSecond,
            result.FinalLoss, restoring?.ReportOf(result.Metrics));
        RunDirectory.WriteText(run.SummaryFile, JsonSerializer.Serialize(summary, TesseraJson.Options) + "\n");
        return summary;
    }

    /// <summary>The pictures that options ask for, as a training takes them.</summary>
    internal static TrainingData DataOf(PretrainOptions options, ImageSet images, DataSplit split) =>
        new(images, split.Train, TrainingData.NormalizationOf(images), options.Seed, options.Data.OnDevice);

    /// <summary>The objective that options ask for, with a model of its own.</summary>
    internal static PretrainObjective ObjectiveOf(PretrainOptions options, TrainingData data)
    {
        var (shape, images, wanted) = (options.ToModel(), data.Images, options.Objective);
        var masks = new MaskSampler(wanted.Mask, shape, options.Seed);
        var source = $"{images.SourceKind}: {Path.GetFileName(images.SourceLocation)}"; // a file that travels does not tell the path
        var description = new ModelDescription
        {
            Encoder = shape.Encoder,
            Normalization = data.Normalization,
            Reconstruction = new ReconstructionHead(shape, wanted.Mask),
            Data = new DataFacts(source, images.Fingerprint, options.Seed, options.Data.HoldOutDevelopment, data.Train.Length),
            Training = new Dictionary<string, string> { ["preset"] = options.Encoder.Model },
        };
        var model = new MaskedAutoencoder(shape, options.Seed);
        var (channels, height, width) = images.Shape;
        if (wanted.Teaching == Teaching.Pixels)
        {
            var crops = new Augmentation(options.Augmentation, height, width, options.Seed, channels);
            return new PretrainObjective(new ReconstructionObjective(model, masks, crops, description), model, masks,
                TransformerCost.FlopOfPretraining(shape, masks.VisibleCount));
        }
        var varied = options.Augmentation.OfViews();
        var (rows, columns) = shape.Encoder.LocalGrid;
        var local = Augmentation.Local(varied, images.Shape, rows * shape.Encoder.PatchSize, columns * shape.Encoder.PatchSize, options.Seed);
        var views = new ViewsObjective(model, wanted.Views, restores: wanted.Teaching == Teaching.PixelsAndViews, masks,
            new Augmentation(varied, height, width, options.Seed, channels), local, description, options.Seed);
        return new PretrainObjective(views, model, masks, TransformerCost.FlopOfViews(shape, masks.VisibleCount, views.Counts));
    }

    private bool Begin(string init, ILogger logger)
    {
        var taken = ModelFile.LoadInto(init, objective.Model);
        logger.LogInformation("begun from {File}: {Taken} of {All} tensors taken", taken.File, taken.Taken.Count, taken.Taken.Count + taken.Left.Count);
        if (taken.Left.Count > 0)
            logger.LogInformation("left as they are drawn: {Left} ({Reasons})", Names(taken.Left), string.Join("; ", taken.Reasons));
        return true;

        static string Names(IReadOnlyList<string> tensors) => string.Join(", ", tensors.Select(t => t.Split('.')[0]).Distinct());
    }

    /// <summary>What measures the encoder; nothing where there are too few development pictures, or none are wanted.</summary>
    private IEnumerable<Evaluator> OfFeatures(VisionTransformer encoder, TrainingOptions training, DataSplit split)
    {
        var pictures = BatchLoader.Subset(split.Development, training.FeatureLimit, options.Seed);
        return pictures.Length < FeatureEvaluator.FewestPictures ? []
            : [new FeatureEvaluator(encoder, data.Normalization, images, pictures, ComputeDevice.Resolve(training.Device), ranks)];
    }
}

/// <summary>A pretraining's objective, and what it stands on.</summary>
/// <param name="Objective">What is learned; it frees the model.</param>
/// <param name="Model">The encoder and its decoder, which is not trained where views alone are compared.</param>
/// <param name="Masks">Draws what is hidden.</param>
/// <param name="Flop">What a picture costs.</param>
internal sealed record PretrainObjective(Objective Objective, MaskedAutoencoder Model, MaskSampler Masks, PretrainingFlop Flop) : IDisposable
{
    public void Dispose() => Objective.Dispose();
}

/// <summary>What came out of a run, as <c>summary.json</c> holds it.</summary>
/// <param name="Folder">The run directory.</param>
/// <param name="Data">What the pictures are.</param>
/// <param name="TrainingPictures">Pictures trained on; of a stream, the broken ones' stand-ins counted for them.</param>
/// <param name="HeldOutPictures">Pictures evaluated on, which training never saw: of the development split where that is left out.</param>
/// <param name="Broken">Pictures that could not be read and were left out, and why; of a stream, those that this process met.</param>
/// <param name="Parameters">Learned values of the whole model, as the result holds it.</param>
/// <param name="EncoderParameters">Learned values of the encoder.</param>
/// <param name="Epochs">Epochs made.</param>
/// <param name="Steps">Optimiser steps made.</param>
/// <param name="Device">Where it ran.</param>
/// <param name="Seconds">Wall-clock time of this process, evaluations included.</param>
/// <param name="ImagesPerSecond">Median training throughput over the log intervals, evaluations excluded; null where metrics.jsonl was lost.</param>
/// <param name="FinalLoss">Mean training loss of the last log interval; null where metrics.jsonl was lost.</param>
/// <param name="HeldOut">Reconstruction of these pictures after the last epoch; null where none are restored.</param>
public sealed record PretrainSummary(
    string Folder, string Data, int TrainingPictures, int HeldOutPictures, IReadOnlyList<BrokenImage> Broken, long Parameters, long EncoderParameters,
    int Epochs, long Steps, string Device, double Seconds, double? ImagesPerSecond, double? FinalLoss, ReconstructionReport? HeldOut);
