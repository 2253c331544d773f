using System.Text.Json.Serialization;
using Tessera.Ranks;
using Tessera.Runtime;

namespace Tessera.Training;

/// <summary>How long and how fast a model is trained, and what of it is kept.</summary>
public sealed record TrainingOptions
{
    /// <summary>Passes over the training pictures.</summary>
    public int Epochs { get; init; } = 100;

    /// <summary>Pictures a forward pass.</summary>
    public int BatchSize { get; init; } = 256;

    /// <summary>Forward passes an optimiser step: the effective batch is this times <see cref="BatchSize"/>.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>Base learning rate; the peak is this times the effective batch over 256 (Goyal et al. 2017, arXiv:1706.02677).</summary>
    public double LearningRate { get; init; } = 1e-3; // MAE's 1.5e-4 is for batches of 4,096 and 800 epochs: too slow for small models and short runs

    /// <summary>How the rate goes on after its warm-up. Cosine: the best end for a length that is known beforehand.</summary>
    public ScheduleShape Schedule { get; init; } = ScheduleShape.Cosine;

    /// <summary>
    /// Epochs of linear warm-up, fractions allowed; null: a twentieth of the run, MAE's share, and at a constant rate, where the run's length says nothing,
    /// at most one.
    /// </summary>
    public double? WarmupEpochs { get; init; }

    /// <summary>The step from which a run at a constant rate is finished with a falling one; null: none.</summary>
    public long? CoolDownFrom { get; init; }

    /// <summary>AdamW's decoupled weight decay.</summary>
    public double WeightDecay { get; init; } = new AdamWOptions().WeightDecay;

    /// <summary>Largest norm of the gradient; null: not clipped, as in MAE. 3: what views were studied with (docs/results.md).</summary>
    public double? Clip { get; init; } = 3;

    /// <summary>
    /// Decay a step of the averaged weights, which are then what is evaluated and kept; null: none are averaged. .99 to .999 suit runs of some
    /// ten thousand steps.
    /// </summary>
    public double? AverageDecay { get; init; }

    /// <summary>auto, cpu, cuda or cuda:N; a run's options hold what auto found.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>Number format of the step; a run's options hold what auto found.</summary>
    public Precision Precision { get; init; } = Precision.Auto;

    /// <summary>
    /// Parts of a batch that are computed at once; null: on a CPU as many as libtorch has threads, fewer where the model is large (see <see cref="Threads"/>), on a GPU one. A run's options hold the number, since
    /// the order in which gradients are summed hangs on it.
    /// </summary>
    public int? Workers { get; init; }

    /// <summary>
    /// Ranks that share each batch; a run's options hold how many there were, since the order in which gradients are summed hangs on it. Who started
    /// them decides, not this.
    /// </summary>
    public int Ranks { get; init; } = 1;

    /// <summary>Number format in which gradients travel between ranks. fp32: what they learn is then what one rank learns.</summary>
    public WireFormat Wire { get; init; } = WireFormat.Fp32;

    /// <summary>
    /// Threads of each of several workers; null: one. Each worker holds the gradients of the whole model, so that of a large model auto takes fewer workers,
    /// with several threads each: as many as hold theirs in a quarter of the memory.
    /// </summary>
    public int? Threads { get; init; }

    /// <summary>Epochs between evaluations; one is also made at the end.</summary>
    public int EvaluateEvery { get; init; } = 1;

    /// <summary>A seeded subset of so many held-out pictures for an evaluation; null: all.</summary>
    public int? EvaluateLimit { get; init; }

    /// <summary>
    /// A seeded subset of so many development pictures by which an evaluation judges the encoder; 0: it does not. 4,000 take about a thirtieth of an epoch
    /// of Tiny-ImageNet's size, and of 200 classes they hold 20 pictures each.
    /// </summary>
    public int FeatureLimit { get; init; } = 4000;

    /// <summary>Optimiser steps between lines of the log.</summary>
    public int LogSteps { get; init; } = 20;

    /// <summary>Optimiser steps between checkpoints; one is also written before each evaluation.</summary>
    public int CheckpointSteps { get; init; } = 500;

    /// <summary>Minutes after which a checkpoint is written whatever the step: what a power cut may cost.</summary>
    public double CheckpointMinutes { get; init; } = 10;

    /// <summary>Pictures an optimiser step sees.</summary>
    [JsonIgnore]
    public int EffectiveBatch => BatchSize * Accumulate;

    /// <summary>The peak learning rate.</summary>
    [JsonIgnore]
    public double PeakLearningRate => LearningRate * EffectiveBatch / 256;

    /// <summary>Epochs of warm-up, whether they were asked for or not.</summary>
    [JsonIgnore]
    public double Warmup => WarmupEpochs ?? (Schedule == ScheduleShape.Constant ? Math.Min(1, Epochs * 0.05) : Epochs * 0.05);

    /// <summary>The rate of every step.</summary>
    /// <param name="stepsPerEpoch">Optimiser steps an epoch.</param>
    public LearningRateSchedule ScheduleOf(int stepsPerEpoch) => new(
        PeakLearningRate, (long)Math.Round(Warmup * stepsPerEpoch), (long)Epochs * stepsPerEpoch, Schedule, CoolDownFrom);

    /// <summary>The same with what auto comes to on this machine, so that a resumed run computes alike.</summary>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    public TrainingOptions Resolved()
    {
        var device = ComputeDevice.Resolve(Device);
        return this with
        {
            Device = device.ToString(),
            Precision = ComputePrecision.Resolve(Precision, device),
            Workers = Workers ?? WorkerThreads.DefaultOn(device),
        };
    }

    /// <summary>Whether what hangs on the machine, of options that are resolved, is the same: device, number format, workers, ranks.</summary>
    internal bool IsOfSameMachine(TrainingOptions other) =>
        (Device, Precision, Workers, Threads, Ranks, Wire) == (other.Device, other.Precision, other.Workers, other.Threads, other.Ranks, other.Wire);

    /// <summary>The same, resolved, for ranks that share each batch: each takes a GPU of its own, and its part of the cores.</summary>
    /// <param name="ranks">The ranks.</param>
    /// <param name="gradientBytes">What a worker's gradients take, which bounds the workers of a CPU; 0: nothing does.</param>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    internal TrainingOptions ResolvedFor(Communicator ranks, long gradientBytes = 0)
    {
        // The number of workers of a run that other ranks shared says nothing of these.
        var workers = ranks.Size == Ranks ? Workers : null;
        var resolved = (this with { Ranks = ranks.Size, Workers = workers }).Resolved();
        if (resolved.Device.StartsWith("cuda", StringComparison.Ordinal))
            return ranks.IsAlone ? resolved : resolved with { Device = $"cuda:{ranks.LocalRank % TorchSharp.torch.cuda.device_count()}" }; // a launcher may show each rank its own alone
        if (workers is not null) return resolved;
        var (count, each) = WorkerThreads.Fitting(resolved.Workers!.Value, gradientBytes, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / ranks.LocalSize);
        return resolved with { Workers = count, Threads = Threads ?? (each > 1 ? each : null) };
    }

    /// <summary>What is wrong where there are so many training pictures; null: nothing.</summary>
    internal OptionFault? BatchFault(int pictures)
    {
        if (BatchSize < Ranks) return new OptionFault($"a batch of {BatchSize} cannot be shared out over {Ranks} ranks: use batches of {Ranks} or more", "Training.BatchSize");
        if (pictures >= EffectiveBatch) return null;
        var largest = pictures / Accumulate;
        var what = Accumulate > 1 ? $"{Accumulate} batches of {BatchSize} are" : $"a batch of {BatchSize} is";
        var start = $"{what} more than the {pictures} training pictures: ";
        return largest > 0 ? new OptionFault($"{start}use batches of {largest} or less", "Training.BatchSize")
            : new OptionFault($"{start}accumulate {pictures} or less", "Training.Accumulate");
    }

    /// <summary>Everything that is wrong with these options; empty when they can be run.</summary>
    public IEnumerable<string> Faults()
    {
        (string Name, double? Value, double Least)[] numbers =
        [
            ("number of epochs", Epochs, 1), ("batch size", BatchSize, 1), ("accumulation", Accumulate, 1), ("number of workers", Workers, 1), ("number of threads", Threads, 1), ("number of ranks", Ranks, 1),
            ("number of epochs between evaluations", EvaluateEvery, 1), ("evaluation limit", EvaluateLimit, 1), ("feature limit", FeatureLimit, 0),
            ("number of log steps", LogSteps, 1), ("number of checkpoint steps", CheckpointSteps, 1),
            ("weight decay", WeightDecay, 0), ("number of warm-up epochs", WarmupEpochs, 0),
        ];
        foreach (var (name, value, least) in numbers)
        {
            if (value is { } number && !(number >= least)) yield return $"the {name} is {number}: it must be at least {least}";
        }
        if ((long)BatchSize * Accumulate > int.MaxValue) yield return $"{Accumulate} batches of {BatchSize} are more than a run can count: it must be at most {int.MaxValue}";
        if (!(LearningRate > 0) || double.IsInfinity(LearningRate)) yield return $"the learning rate is {LearningRate}: it must be above 0";
        if (Clip is { } clip && !(clip > 0)) yield return $"the clipping norm is {clip}: it must be above 0";
        if (AverageDecay is not (null or (> 0 and < 1))) yield return $"the decay of averaged weights is {AverageDecay}: it must be above 0 and below 1";
        if (!(CheckpointMinutes > 0)) yield return $"the number of checkpoint minutes is {CheckpointMinutes}: it must be above 0";
        if (CoolDownFrom is { } from && (from < 0 || Schedule != ScheduleShape.Constant))
            yield return $"the cool-down begins at step {from} of a {Schedule.ToString().ToLowerInvariant()} schedule: it must be at least 0, and the schedule constant";
        if (WarmupEpochs > Epochs) yield return $"the warm-up of {WarmupEpochs} epochs is longer than the run of {Epochs}";
    }
}
