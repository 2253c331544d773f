using System.Diagnostics;
using Tessera.Data;
using Tessera.Runtime;
using Tessera.Training;
using static TorchSharp.torch;

namespace Tessera.Benchmarking;

/// <summary>A training step and its loader, put together as <see cref="TrainingLoop"/> puts them together.</summary>
internal sealed class StepUnderTest : IDisposable
{
    private const double LearningRate = 1e-6; // the weights hardly move, however many steps are measured

    private readonly TrainingOptions options;
    private readonly TrainingData data;
    private readonly Objective objective;
    private readonly TrainingStep training;

    /// <param name="objective">What is learned; it stays with the caller.</param>
    /// <param name="data">The pictures.</param>
    /// <param name="options">How it is trained, resolved.</param>
    /// <param name="flop">What a picture costs, forward and backward.</param>
    public StepUnderTest(Objective objective, TrainingData data, TrainingOptions options, long flop)
    {
        (this.objective, this.data, this.options, Flop) = (objective, data, options, flop);
        training = new TrainingStep(objective, data, options);
    }

    /// <summary>Pictures an optimiser step.</summary>
    public int ImagesPerStep => options.EffectiveBatch;

    /// <summary>Whether the loss couples pictures.</summary>
    public bool Couples => objective.Couples;

    /// <summary>What a picture costs, forward and backward.</summary>
    public long Flop { get; }

    /// <summary>What the options' number format came to on this device.</summary>
    public Precision Precision => options.Precision;

    /// <summary>The type of the factors of the model's matrix products.</summary>
    public ScalarType ProductType => Precision == Precision.Bf16 ? ScalarType.BFloat16 : ScalarType.Float32;

    /// <summary>Values that are trained.</summary>
    public long Parameters => training.Optimizer.Parameters.Sum(p => p.numel());

    /// <summary>How many of its parts of such a batch a worker computes one after the other.</summary>
    public int PartsPerWorker(int pictures)
    {
        var parts = training.Parts(pictures).Count;
        return (parts + training.Workers - 1) / training.Workers;
    }

    /// <summary>Batches of an endless training, epoch after epoch; as many as so many optimiser steps take.</summary>
    /// <param name="steps">Optimiser steps.</param>
    /// <param name="pictures">Pictures a batch, and one batch a step; null: as the options say.</param>
    public IEnumerable<Batch> Load(int steps, int? pictures = null)
    {
        var order = new int[(long)steps * (pictures ?? options.EffectiveBatch)];
        var epoch = Array.Empty<int>();
        for (var i = 0; i < order.Length; i++)
        {
            if (i % data.Train.Length == 0) epoch = BatchLoader.Shuffled(data.Train, data.Seed, i / data.Train.Length);
            order[i] = epoch[i % data.Train.Length];
        }
        return training.Loader.Load(order, pictures ?? options.BatchSize, epoch: 0);
    }

    /// <summary>One optimiser step on batches that stay with the caller.</summary>
    /// <returns>The last batch's loss, not waited for; the caller disposes it.</returns>
    public Tensor Step(Func<Batch> next)
    {
        for (var i = 1; i < options.Accumulate; i++) training.Accumulate(next()).Dispose();
        var loss = training.Accumulate(next());
        training.Update(LearningRate)?.Dispose();
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

    /// <summary>The mean of so many optimiser steps that the loader feeds, each of whose phases is waited for.</summary>
    /// <param name="steps">Optimiser steps.</param>
    /// <param name="clock">Waits, and ends it where it is cancelled.</param>
    /// <param name="pictures">Pictures a batch, and one batch a step; null: as the options say.</param>
    public StepSeconds MeanByPhases(int steps, RoundClock clock, int? pictures = null)
    {
        using var batches = Load(steps + 1, pictures).GetEnumerator();
        StepByPhases(batches, clock.Wait); // the loader's thread has started
        var sum = new StepSeconds();
        for (var i = 0; i < steps; i++)
        {
            clock.Cancellation.ThrowIfCancellationRequested();
            sum += StepByPhases(batches, clock.Wait);
        }
        return sum / steps;
    }

    /// <summary>One optimiser step, each of whose phases is waited for.</summary>
    public StepSeconds StepByPhases(IEnumerator<Batch> batches, Action wait)
    {
        var phases = new StepPhases(training.Workers, wait);
        var (waiting, begin) = (0.0, Stopwatch.GetTimestamp());
        training.Phases = phases;
        for (var i = 0; i < options.Accumulate; i++)
        {
            waiting += Seconds(() => batches.MoveNext());
            using var batch = batches.Current;
            training.Accumulate(batch).Dispose();
        }
        var before = phases.All;
        var updating = Seconds(() => { training.Update(LearningRate)?.Dispose(); wait(); }) - (phases.All - before); // pictures that are coupled go back in it
        training.Phases = null;
        return new StepSeconds(waiting, phases[StepPhase.Augment], phases[StepPhase.Forward], phases[StepPhase.Couple], phases[StepPhase.Backward], updating,
            Total: Stopwatch.GetElapsedTime(begin).TotalSeconds);

        static double Seconds(Action work)
        {
            var start = Stopwatch.GetTimestamp();
            work();
            return Stopwatch.GetElapsedTime(start).TotalSeconds;
        }
    }

    public void Dispose() => training.Dispose();
}

/// <summary>Where the time of optimiser steps went, phase by phase as in a <see cref="StepBreakdown"/>. Seconds.</summary>
internal readonly record struct StepSeconds(
    double Waiting, double Augment, double Forward, double Couple, double Backward, double Optimizer, double Total)
{
    public static StepSeconds operator +(StepSeconds a, StepSeconds b) => new(
        a.Waiting + b.Waiting, a.Augment + b.Augment, a.Forward + b.Forward, a.Couple + b.Couple, a.Backward + b.Backward, a.Optimizer + b.Optimizer,
        a.Total + b.Total);

    public static StepSeconds operator /(StepSeconds sum, int steps) => new(
        sum.Waiting / steps, sum.Augment / steps, sum.Forward / steps, sum.Couple / steps, sum.Backward / steps, sum.Optimizer / steps,
        sum.Total / steps);
}
