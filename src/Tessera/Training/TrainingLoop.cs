using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Tessera.Data;
using Tessera.Figures;
using Tessera.Imaging;
using Tessera.Ranks;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>The one training loop: epochs of steps on an objective, checkpoints, evaluations, metrics and the result, in a run directory.</summary>
/// <remarks>
/// A run is a function of its options and pictures. It can be stopped at any instant and resumed from its last checkpoint, and then
/// ends with the same weights, bit for bit, as a run that was never stopped (on one machine's CPU, with one number of workers and ranks; on a GPU, where
/// libtorch's kernels add up in no fixed order, with the same to rounding).
/// Ranks that share a run make the same steps on it, each with its share of every batch; the first alone writes.
/// </remarks>
public sealed partial class TrainingLoop : IDisposable
{
    private readonly RunDirectory? run; // null: another rank's
    private readonly TrainingOptions options;
    private readonly Objective objective;
    private readonly TrainingData data;
    private readonly IReadOnlyList<Evaluator> evaluators;
    private readonly IProgress<TrainingProgress>? progress;
    private readonly ILogger logger;
    private readonly Communicator ranks;
    private readonly HashSet<BrokenImage> toldBroken;

    private readonly TrainingStep training;
    private readonly AveragedWeights? averaged;
    private readonly Checkpoint checkpoint;
    private readonly MetricsLog metrics;
    private readonly TensorBoardWriter? board;

    private readonly LearningRateSchedule schedule;
    private readonly int stepsPerEpoch;
    private readonly Stopwatch wall = Stopwatch.StartNew(), interval = new(), sinceSaved = Stopwatch.StartNew();
    private readonly List<Tensor> pending = [], pendingCoupled = []; // losses of batches and of steps that have not been read yet
    private readonly long firstStep;
    private long step, readStep, savedStep;
    private volatile bool savesSoon;

    /// <summary>Prepares a training, and brings it to its run's newest checkpoint where it has one.</summary>
    /// <param name="run">The run's directory, new or begun, which stays with the caller; null on ranks other than the first.</param>
    /// <param name="options">How it is trained: resolved, see <see cref="TrainingOptions.Resolved"/>.</param>
    /// <param name="objective">What is learned; it stays with the caller.</param>
    /// <param name="data">The pictures; the caller has named those that are known to be broken.</param>
    /// <param name="evaluators">What is measured on the way.</param>
    /// <param name="progress">Told after each step, on the training thread.</param>
    /// <param name="logger">Told what happens, in words.</param>
    /// <param name="ranks">Those who share the run; null: this process alone. They stay with the caller.</param>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    /// <exception cref="RunDirectoryException">A checkpoint is damaged, or a file cannot be written.</exception>
    /// <exception cref="RanksException">The ranks cannot work together.</exception>
    public TrainingLoop(
        RunDirectory? run, TrainingOptions options, Objective objective, TrainingData data, IReadOnlyList<Evaluator> evaluators,
        IProgress<TrainingProgress>? progress, ILogger logger, Communicator? ranks = null)
    {
        this.ranks = ranks ??= Communicator.Alone;
        if (run is null == ranks.IsFirst) throw new ArgumentException("The first rank has the run's directory, and no other has one.", nameof(run));
        (this.run, this.options, this.objective, this.data) = (run, options, objective, data);
        (this.evaluators, this.progress, this.logger) = (evaluators, progress, logger);
        toldBroken = [.. data.Images.Broken];
        stepsPerEpoch = data.Train.Length / options.EffectiveBatch;
        schedule = options.ScheduleOf(stepsPerEpoch);
        training = new TrainingStep(objective, data, options, ranks);
        try
        {
            averaged = options.AverageDecay is { } decay ? new AveragedWeights(training.Optimizer, decay) : null;
            checkpoint = new Checkpoint(run, training.Optimizer, averaged, objective, data.Images.Fingerprint);
            step = readStep = savedStep = firstStep = ranks.StepsMade = checkpoint.Restore(ranks);
            if (step > Steps)
                throw new RunDirectoryException($"The run has made {step} steps, more than {options.Epochs} epochs have: ask for more.", options: "Training.Epochs");
            metrics = MetricsLog.Open(run, step);
            board = run is null ? null : RunDirectory.Guard(run.Folder, () => new TensorBoardWriter(run.Folder, TimeProvider.System));
        }
        catch
        {
            averaged?.Dispose();
            training.Dispose();
            throw;
        }
    }

    /// <summary>Optimiser steps made so far.</summary>
    public long Step => step;

    /// <summary>Optimiser steps of the whole run.</summary>
    public long Steps => schedule.TotalSteps;

    /// <summary>Asks for a checkpoint after the step at hand; may be called from any thread. The run goes on.</summary>
    public void SaveSoon() => savesSoon = true;

    /// <summary>Trains to the end of the run.</summary>
    /// <param name="cancellation">Ends the run after the current step, with a checkpoint.</param>
    /// <exception cref="OperationCanceledException">The run was ended early; its checkpoint is written.</exception>
    /// <exception cref="TrainingDivergedException">The loss is no longer finite; the last good checkpoint stands.</exception>
    /// <exception cref="RunDirectoryException">A file cannot be written; the last good checkpoint stands.</exception>
    public TrainingResult Run(CancellationToken cancellation = default)
    {
        try
        {
            var done = (int)(step / stepsPerEpoch);
            var isDue = ranks.FromFirst(() => step == (long)done * stepsPerEpoch && IsEvaluated(done) && !metrics.Lines.Any(l => l.IsEvaluation && l.Step == step));
            if (isDue) Evaluate(done, cancellation);
            for (var epoch = done; epoch < options.Epochs; epoch++)
            {
                TrainEpoch(epoch, cancellation);
                if (!IsEvaluated(epoch + 1)) continue;
                Save();
                Evaluate(epoch + 1, cancellation);
            }
            return Finish();
        }
        catch (Exception e) when (e is RunDirectoryException or IOException or UnauthorizedAccessException)
        {
            throw new RunDirectoryException($"{e.Message.TrimEnd('.')}. {LastGood()}", e, "Resume");
        }
    }

    /// <summary>Frees what the training holds; run, objective and pictures stay.</summary>
    public void Dispose()
    {
        pending.ForEach(p => p.Dispose());
        pendingCoupled.ForEach(p => p.Dispose());
        board?.Dispose();
        averaged?.Dispose();
        training.Dispose();
    }

    private void TrainEpoch(int epoch, CancellationToken cancellation)
    {
        var order = BatchLoader.Shuffled(data.Train, data.Seed, epoch);
        var skipped = (int)(step - (long)epoch * stepsPerEpoch) * options.EffectiveBatch; // of an epoch that was begun before
        var pictures = order.AsMemory(skipped, stepsPerEpoch * options.EffectiveBatch - skipped);
        var batches = 0;
        interval.Restart();
        foreach (var batch in training.Loader.Load(pictures, options.BatchSize, epoch))
        {
            using (batch) pending.Add(training.Accumulate(batch));
            if (++batches % options.Accumulate == 0) Update(epoch, cancellation);
        }
    }

    private void Update(int epoch, CancellationToken cancellation)
    {
        var asked = Asked(cancellation);
        if (training.Update(schedule.At(step), ref asked) is { } coupled) pendingCoupled.Add(coupled);
        ranks.StepsMade = ++step;
        averaged?.Follow(step);
        objective.AfterStep(step);
        var ends = step % stepsPerEpoch == 0;
        var logs = step % options.LogSteps == 0 || ends;
        if (logs || Known().Stop) ReadLosses();
        Report(epoch + 1, logs);
        if (Known().Stop)
        {
            Save();
            ranks.EndsTogether = true;
            throw new OperationCanceledException(cancellation);
        }
        if (step % options.CheckpointSteps == 0 || Known().Save) Save();

        StepSignals Known() => ranks.IsAlone ? Asked(cancellation) : asked; // alone, what came meanwhile counts
    }

    private StepSignals Asked(CancellationToken cancellation) =>
        new(cancellation.IsCancellationRequested, savesSoon || sinceSaved.Elapsed.TotalMinutes >= options.CheckpointMinutes);

    /// <summary>Reads the losses since the last time, the one place where the device is waited for, and logs their mean.</summary>
    private void ReadLosses()
    {
        if (pending.Count == 0) return;
        var (losses, coupled) = (Read(pending, options.Accumulate, areShares: true), Read(pendingCoupled, 1, areShares: false));
        var mean = losses.Average() + (coupled.Length > 0 ? coupled.Average() : 0);
        var seconds = interval.Elapsed.TotalSeconds;
        var watched = objective.Watched();
        Log(step, Math.Round((double)step / stepsPerEpoch, 4),
        [
            new Metric(MetricsLog.Loss, mean, Metric.LossUnit),
            new Metric(MetricsLog.LearningRate, schedule.At(step - 1), "rate"),
            new Metric(MetricsLog.ImagesPerSecond, (step - readStep) * options.EffectiveBatch / seconds, "images/s"),
            .. watched.Select(w => w.Metric),
        ]);
        if (watched.FirstOrDefault(w => w.Metric.Value < w.Least) is { } fallen)
            throw Diverged(FormattableString.Invariant($"{fallen.Metric.Name} is {fallen.Metric.Value:g3}, below {fallen.Least}"), step - 1, fallen);
        readStep = step;
        interval.Restart();
    }

    private double[] Read(List<Tensor> losses, int perStep, bool areShares)
    {
        if (losses.Count == 0) return [];
        using var scope = NewDisposeScope();
        var values = Array.ConvertAll(stack(losses).cpu().data<float>().ToArray(), v => (double)v);
        if (areShares) values = ranks.Sum(values);
        losses.ForEach(l => l.Dispose());
        losses.Clear();
        var bad = Array.FindIndex(values, v => !double.IsFinite(v));
        return bad < 0 ? values : throw Diverged($"The loss is {values[bad]}", readStep + bad / perStep);
    }

    private void Save()
    {
        if (savedStep == step) return;
        ReadLosses(); // weights behind a loss that is not finite never replace a good checkpoint,
        if (!WeightsAreFinite()) throw Diverged("The weights are no longer finite", step - 1); // nor do those that the last step ruined
        checkpoint.RequireSame(ranks, step);
        if (run is not null)
        {
            File.Delete(run.ModelFile); // of a run that was finished and goes on, the result is no longer one; after the checkpoint a kill could leave both
            checkpoint.Save(step, Describe());
        }
        (savedStep, savesSoon) = (step, false);
        interval.Restart();
        sinceSaved.Restart();
    }

    private bool WeightsAreFinite()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        return stack(training.Optimizer.Weights.Select(w => w.Value.sum())).isfinite().all().item<bool>();
    }

    private void Report(int epoch, bool isLogStep, EvaluationProgress? evaluating = null)
    {
        TellBroken();
        var last = metrics.LastTraining;
        var made = step - firstStep;
        TimeSpan? left = made > 0 && last is not null ? wall.Elapsed * ((Steps - step) / (double)made) : null;
        progress?.Report(new TrainingProgress(epoch, options.Epochs, step, Steps, last?.Find(MetricsLog.Loss),
            schedule.At(Math.Max(0, step - 1)), last?.Find(MetricsLog.ImagesPerSecond), left, evaluating, isLogStep));
    }

    /// <summary>Names each broken picture once, as streaming meets it.</summary>
    private void TellBroken()
    {
        if (data.Images.Broken.Count == toldBroken.Count) return;
        foreach (var picture in data.Images.Broken.Where(toldBroken.Add))
            logger.LogWarning("{Name} {Reason}: another picture stands in for it", picture.Name, picture.Reason);
    }

    /// <param name="what">What was seen.</param>
    /// <param name="at">The step that was seen, counted from 0.</param>
    /// <param name="fallen">The figure that has an advice of its own; null: none has.</param>
    private TrainingDivergedException Diverged(string what, long at, Watched? fallen = null)
    {
        ranks.EndsTogether = true; // all see the same losses, weights and figures
        var advice = fallen?.Advice ?? "try a lower learning rate, a longer warm-up, or clipping at 1";
        IReadOnlyList<string> tries = fallen is null ? ["Training.LearningRate", "Training.WarmupEpochs", "Training.Clip"] : fallen.Options ?? [];
        var good = run is null ? null : RunDirectory.NewestCheckpoint(run.Folder);
        var from = good is null ? "There is no checkpoint yet." : $"The last good checkpoint is {good}: a new run can begin from it.";
        return new TrainingDivergedException(
            $"{what} at step {at + 1}, at a learning rate of {schedule.At(at):g3}: {advice}. {from}", canBegin: good is not null, tries);
    }

    private string LastGood() => run is not null && RunDirectory.NewestCheckpoint(run.Folder) is { } file
        ? $"The last good checkpoint is {file}; the run can go on from it." : "There is no checkpoint yet.";
}
