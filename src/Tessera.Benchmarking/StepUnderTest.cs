using System.Diagnostics;
using Tessera.Data;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Training;
using static TorchSharp.torch;

namespace Tessera.Benchmarking;

/// <summary>The training step and its loader, put together as <see cref="Pretraining"/> puts them together.</summary>
internal sealed class StepUnderTest : IDisposable
{
    private const double LearningRate = 1e-6; // the weights hardly move, however many steps are measured

    private readonly PretrainOptions options;
    private readonly int[] pictures;
    private readonly TrainingParts parts;
    private readonly Device device;

    public StepUnderTest(PretrainOptions options, ImageSet images, Device device)
    {
        (this.options, this.device) = (options, device);
        pictures = Pretraining.CheckedSplit(options, images).Train;
        parts = new TrainingParts(options, images, device);
    }

    public MaskedAutoencoder Model => parts.Model;

    public PixelNormalization Normalization => parts.Normalization;

    public MaskSampler Masks => parts.Masks;

    /// <summary>What the options' number format came to on this device.</summary>
    public Precision Precision => parts.Precision;

    /// <summary>The type of the factors of the model's matrix products.</summary>
    public ScalarType ProductType => Precision == Precision.Bf16 ? ScalarType.BFloat16 : ScalarType.Float32;

    /// <summary>Batches of an endless training, epoch after epoch; as many as so many optimiser steps take.</summary>
    public IEnumerable<Batch> Load(int steps)
    {
        var order = new int[(long)steps * options.EffectiveBatch];
        var epoch = Array.Empty<int>();
        for (var i = 0; i < order.Length; i++)
        {
            if (i % pictures.Length == 0) epoch = BatchLoader.Shuffled(pictures, options.Seed, i / pictures.Length);
            order[i] = epoch[i % pictures.Length];
        }
        return parts.Loader.Load(order, options.BatchSize, epoch: 0);
    }

    /// <summary>One optimiser step on batches that stay with the caller.</summary>
    /// <returns>The last batch's loss, not waited for; the caller disposes it.</returns>
    public Tensor Step(Func<Batch> next)
    {
        for (var i = 1; i < options.Accumulate; i++) parts.Step.Accumulate(next()).Dispose();
        var loss = parts.Step.Accumulate(next());
        parts.Step.Update(LearningRate);
        return loss;
    }

    /// <summary>One optimiser step on the batches that the loader hands over next; each is freed after its use.</summary>
    /// <returns>The last batch's loss, not waited for; the caller disposes it.</returns>
    public Tensor Step(IEnumerator<Batch> batches)
    {
        Batch? used = null;
        var loss = Step(() =>
        {
            used?.Dispose();
            batches.MoveNext();
            return used = batches.Current;
        });
        used!.Dispose();
        return loss;
    }

    /// <summary>One optimiser step, each of whose phases is waited for.</summary>
    public StepSeconds StepByPhases(IEnumerator<Batch> batches, Action wait)
    {
        var phases = new StepPhases(TrainingStep.WorkersOn(device), wait);
        var (waiting, begin) = (0.0, Stopwatch.GetTimestamp());
        parts.Step.Phases = phases;
        for (var i = 0; i < options.Accumulate; i++)
        {
            waiting += Seconds(() => batches.MoveNext());
            using var batch = batches.Current;
            parts.Step.Accumulate(batch).Dispose();
        }
        parts.Step.Phases = null;
        var updating = Seconds(() => { parts.Step.Update(LearningRate); wait(); });
        return new StepSeconds(waiting, phases[StepPhase.Augment], phases[StepPhase.Forward], phases[StepPhase.Backward], updating,
            Total: Stopwatch.GetElapsedTime(begin).TotalSeconds);

        static double Seconds(Action work)
        {
            var start = Stopwatch.GetTimestamp();
            work();
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }

    public void Dispose() => parts.Dispose();
}

/// <summary>Where the time of optimiser steps went, phase by phase as in a <see cref="StepBreakdown"/>. Seconds.</summary>
internal readonly record struct StepSeconds(double Waiting, double Augment, double Forward, double Backward, double Optimizer, double Total)
{
    public static StepSeconds operator +(StepSeconds a, StepSeconds b) => new(
        a.Waiting + b.Waiting, a.Augment + b.Augment, a.Forward + b.Forward, a.Backward + b.Backward, a.Optimizer + b.Optimizer, a.Total + b.Total);

    public static StepSeconds operator /(StepSeconds sum, int steps) => new(
        sum.Waiting / steps, sum.Augment / steps, sum.Forward / steps, sum.Backward / steps, sum.Optimizer / steps, sum.Total / steps);
}
