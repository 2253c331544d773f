using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Tessera.Data;
using Tessera.Evaluation;
using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Training;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Runs;

/// <summary>Pretrains a masked autoencoder on pictures, in a run directory.</summary>
/// <remarks>
/// A run is a function of its options and pictures. It can be stopped at any instant and resumed from its last checkpoint, and then
/// ends with the same weights, bit for bit, as a run that was never stopped (on one machine and device, with one number of threads).
/// </remarks>
public sealed partial class Pretraining : IDisposable
{
    private readonly RunDirectory run;
    private readonly PretrainOptions options;
    private readonly ImageSet images;
    private readonly HashSet<BrokenImage> toldBroken;
    private readonly IProgress<PretrainProgress>? progress;
    private readonly ILogger logger;

    private readonly Device device;
    private readonly DataSplit split;
    private readonly int[] evaluated;
    private readonly LearningRateSchedule schedule;
    private readonly TrainingParts parts;
    private readonly MetricsLog metrics;
    private readonly Figures.TensorBoardWriter board;

    private readonly Stopwatch wall = Stopwatch.StartNew(), interval = new();
    private readonly int stepsPerEpoch;
    private readonly long firstStep;
    private readonly List<Tensor> pending = []; // losses of steps that have not been read yet
    private long step, readStep, savedStep;

    /// <summary>Prepares a run, and brings it to its newest checkpoint where it has one.</summary>
    /// <param name="run">Its directory, new or begun.</param>
    /// <param name="options">Its options.</param>
    /// <param name="images">Its pictures, at the options' size; the caller has named those that are known to be broken.</param>
    /// <param name="progress">Told after each step, on the training thread.</param>
    /// <param name="logger">Told what happens, in words.</param>
    /// <exception cref="PretrainOptionsException">The options cannot be run on these pictures; every fault is named.</exception>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    /// <exception cref="RunDirectoryException">A checkpoint is damaged, or a file cannot be written.</exception>
    public Pretraining(
        RunDirectory run, PretrainOptions options, ImageSet images, IProgress<PretrainProgress>? progress = null, ILogger? logger = null)
    {
        (this.run, this.options, this.images, this.progress) = (run, options, images, progress);
        this.logger = logger ?? NullLogger.Instance;
        split = CheckedSplit(options, images);
        toldBroken = [.. images.Broken];
        evaluated = BatchLoader.Subset(split.HeldOut, options.EvaluateLimit, options.Seed);
        stepsPerEpoch = split.Train.Length / options.EffectiveBatch;

        device = ComputeDevice.Resolve(options.Device);
        parts = new TrainingParts(options, images, device);
        var warmup = options.WarmupEpochs ?? options.Epochs * 0.05;
        schedule = new LearningRateSchedule(
            options.PeakLearningRate, (long)Math.Round(warmup * stepsPerEpoch), (long)options.Epochs * stepsPerEpoch);

        step = readStep = savedStep = firstStep = Checkpoint.Restore(run, parts.Optimizer, images.Fingerprint);
        metrics = MetricsLog.Open(run, step);
        board = RunDirectory.Guard(run.Folder, () => new Figures.TensorBoardWriter(run.Folder, TimeProvider.System));
    }

    /// <summary>Optimiser steps made so far.</summary>
    public long Step => step;

    /// <summary>Opens the pictures that options ask for: packed, now or before, or to be decoded as they are needed.</summary>
    /// <param name="options">The options, validated.</param>
    /// <param name="cacheFolder">Where packed files are kept.</param>
    /// <param name="progress">Told as pictures are packed or measured, from several threads, one at a time.</param>
    /// <param name="cancellation">Stops that.</param>
    /// <exception cref="ImagingException">The pictures cannot be read or packed.</exception>
    public static ImageSet OpenImages(
        PretrainOptions options, string cacheFolder, IProgress<PackProgress>? progress = null, CancellationToken cancellation = default)
    {
        var (height, width) = options.Size;
        var shape = new ImageShape(options.Channels, height, width);
        return options.NoPack
            ? StreamedImages.Open(options.Data, shape, options.Seed, progress, cancellation)
            : PackedImages.OpenOrPack(options.Data, shape, cacheFolder, progress, cancellation);
    }

    /// <summary>Checks that these pictures can be trained on with these options.</summary>
    /// <exception cref="PretrainOptionsException">They cannot; every fault is named.</exception>
    public static DataSplit CheckedSplit(PretrainOptions options, ImageSet images)
    {
        options.Validate();
        var (height, width) = options.Size;
        var split = DataSplit.Of(images, options.Limit, options.Seed);
        var faults = new List<string>();
        if (images.Shape != new ImageShape(options.Channels, height, width))
            faults.Add($"the pictures have {images.Shape.Channels} channels at {images.Shape.Height}x{images.Shape.Width}, and the options ask for {options.Channels} at {height}x{width}");
        if (split.Train.Length < options.EffectiveBatch)
        {
            var largest = split.Train.Length / options.Accumulate;
            var what = options.Accumulate > 1 ? $"{options.Accumulate} batches of {options.BatchSize} are" : $"a batch of {options.BatchSize} is";
            faults.Add($"{what} more than the {split.Train.Length} training pictures: use {(largest > 0 ? $"--batch-size {largest}" : $"--accumulate {split.Train.Length}")} or less");
        }
        return faults.Count == 0 ? split : throw new PretrainOptionsException(faults);
    }

    /// <summary>Trains to the end of the run.</summary>
    /// <param name="cancellation">Ends the run after the current step, with a checkpoint.</param>
    /// <exception cref="OperationCanceledException">The run was ended early; its checkpoint is written.</exception>
    /// <exception cref="TrainingDivergedException">The loss is no longer finite; the last good checkpoint stands.</exception>
    /// <exception cref="RunDirectoryException">A file cannot be written; the last good checkpoint stands.</exception>
    public PretrainSummary Run(CancellationToken cancellation = default)
    {
        try
        {
            var done = (int)(step / stepsPerEpoch);
            if (done > 0 && !metrics.Lines.Any(l => l.HeldOut is not null && l.Step == (long)done * stepsPerEpoch)) Evaluate(done, cancellation);
            for (var epoch = done; epoch < options.Epochs; epoch++)
            {
                TrainEpoch(epoch, cancellation);
                Save();
                Evaluate(epoch + 1, cancellation);
            }
            return Finish();
        }
        catch (Exception e) when (e is RunDirectoryException or IOException or UnauthorizedAccessException)
        {
            throw new RunDirectoryException($"{e.Message.TrimEnd('.')}. {LastGood()}", e);
        }
    }

    /// <summary>Frees the model and the optimiser.</summary>
    public void Dispose()
    {
        pending.ForEach(p => p.Dispose());
        board.Dispose();
        parts.Dispose();
    }

    private void TrainEpoch(int epoch, CancellationToken cancellation)
    {
        var order = BatchLoader.Shuffled(split.Train, options.Seed, epoch);
        var skipped = (int)(step - (long)epoch * stepsPerEpoch) * options.EffectiveBatch; // of an epoch that was begun before
        var pictures = order.AsMemory(skipped, stepsPerEpoch * options.EffectiveBatch - skipped);
        var batches = 0;
        interval.Restart();
        foreach (var batch in parts.Loader.Load(pictures, options.BatchSize, epoch))
        {
            using (batch) pending.Add(parts.Step.Accumulate(batch));
            if (++batches % options.Accumulate != 0) continue;

            parts.Step.Update(schedule.At(step));
            step++;
            var ends = step % stepsPerEpoch == 0;
            var logs = step % options.LogSteps == 0 || ends;
            if (logs || cancellation.IsCancellationRequested) ReadLosses();
            Report(epoch + 1, logs);
            if (cancellation.IsCancellationRequested)
            {
                Save();
                cancellation.ThrowIfCancellationRequested();
            }
            if (step % options.CheckpointSteps == 0 && !ends) Save();
        }
    }

    /// <summary>Reads the losses since the last time, the one place where the device is waited for, and logs their mean.</summary>
    private void ReadLosses()
    {
        if (pending.Count == 0) return;
        using var scope = NewDisposeScope();
        var losses = stack(pending).cpu().data<float>().ToArray();
        pending.ForEach(p => p.Dispose());
        pending.Clear();
        for (var i = 0; i < losses.Length; i++)
        {
            if (float.IsFinite(losses[i])) continue;
            var bad = readStep + i / options.Accumulate;
            throw Diverged($"The loss is {losses[i]}", bad);
        }
        var line = new MetricsLine(step, Math.Round((double)step / stepsPerEpoch, 4), losses.Average(), schedule.At(step - 1),
            (step - readStep) * options.EffectiveBatch / interval.Elapsed.TotalSeconds);
        readStep = step;
        interval.Restart();
        metrics.Add(line);
        board.AddScalar("train/loss", line.Loss!.Value, step);
        board.AddScalar("train/learning_rate", line.LearningRate!.Value, step);
        board.AddScalar("train/images_per_second", line.ImagesPerSecond!.Value, step);
    }

    private void Save()
    {
        if (savedStep == step) return;
        ReadLosses(); // weights behind a loss that is not finite never replace a good checkpoint,
        if (!WeightsAreFinite()) throw Diverged("The weights are no longer finite", step - 1); // nor do those that the last step ruined
        Checkpoint.Save(run, step, parts.Optimizer, Describe(), images.Fingerprint);
        savedStep = step;
        interval.Restart();
    }

    private void Report(int epoch, bool isLogStep, int? evaluating = null)
    {
        TellBroken();
        var last = metrics.Lines.LastOrDefault(l => l.Loss is not null);
        var made = step - firstStep;
        TimeSpan? left = made > 0 && last is not null ? wall.Elapsed * ((schedule.TotalSteps - step) / (double)made) : null;
        progress?.Report(new PretrainProgress(epoch, options.Epochs, step, schedule.TotalSteps, last?.Loss,
            schedule.At(Math.Max(0, step - 1)), last?.ImagesPerSecond, left, evaluating, evaluated.Length, isLogStep));
    }

    /// <summary>Names each broken picture once, as streaming meets it.</summary>
    private void TellBroken()
    {
        if (images.Broken.Count == toldBroken.Count) return;
        foreach (var picture in images.Broken.Where(toldBroken.Add))
            logger.LogWarning("{Name} {Reason}: another picture stands in for it", picture.Name, picture.Reason);
    }

    private bool WeightsAreFinite()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        return stack(parts.Optimizer.Weights.Select(w => w.Value.sum())).isfinite().all().item<bool>();
    }

    /// <param name="what">What was seen.</param>
    /// <param name="at">The step that was seen, counted from 0.</param>
    private TrainingDivergedException Diverged(string what, long at) => new(
        $"{what} at step {at + 1}, at a learning rate of {schedule.At(at):g3}: try a lower --learning-rate, a longer --warmup-epochs, or --clip 1. {LastGood()}");

    private string LastGood() => RunDirectory.NewestCheckpoint(run.Folder) is { } file
        ? $"The last good checkpoint is {file}; --resume {run.Folder} goes on from it."
        : "There is no checkpoint yet.";

    private ModelDescription Describe() => new()
    {
        Encoder = parts.Model.Options.Encoder,
        Normalization = parts.Normalization,
        Reconstruction = new ReconstructionHead(parts.Model.Options, options.ToMask()),
        Data = new DataFacts($"{images.SourceKind}: {images.SourceLocation}", images.Fingerprint, options.Seed, HoldOutDevelopment: false, split.Train.Length),
        Training = TrainingFacts(),
    };
}

/// <summary>What came out of a run, as <c>summary.json</c> holds it.</summary>
/// <param name="Folder">The run directory.</param>
/// <param name="Data">What the pictures are.</param>
/// <param name="TrainingPictures">Pictures trained on; of a stream, the broken ones' stand-ins counted for them.</param>
/// <param name="HeldOutPictures">Pictures evaluated on, which training never saw.</param>
/// <param name="Broken">Pictures that could not be read and were left out, and why; of a stream, those that this process met.</param>
/// <param name="Parameters">Learned values of the whole model.</param>
/// <param name="EncoderParameters">Learned values of the encoder.</param>
/// <param name="Epochs">Epochs made.</param>
/// <param name="Steps">Optimiser steps made.</param>
/// <param name="Device">Where it ran.</param>
/// <param name="Seconds">Wall-clock time of this process, evaluations included.</param>
/// <param name="ImagesPerSecond">Median training throughput over the log intervals, evaluations excluded; null where metrics.jsonl was lost.</param>
/// <param name="FinalLoss">Mean training loss of the last log interval; null where metrics.jsonl was lost.</param>
/// <param name="HeldOut">Reconstruction of the held-out pictures after the last epoch.</param>
public sealed record PretrainSummary(
    string Folder, string Data, int TrainingPictures, int HeldOutPictures, IReadOnlyList<BrokenImage> Broken, long Parameters, long EncoderParameters,
    int Epochs, long Steps, string Device, double Seconds, double? ImagesPerSecond, double? FinalLoss, ReconstructionReport HeldOut);
