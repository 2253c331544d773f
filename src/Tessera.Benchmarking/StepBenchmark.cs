using Tessera.Data;

namespace Tessera.Benchmarking;

/// <summary>Measures a training step: alone, phase by phase, and fed by the loader.</summary>
internal sealed class StepBenchmark : IDisposable
{
    private const int HeldSteps = 2; // batches differ from step to step, as in training

    private readonly StepUnderTest training;
    private readonly RoundClock clock;
    private readonly BenchmarkOptions options;
    private readonly string name;
    private readonly Batch[] held;
    private int taken, steps;

    public StepBenchmark(StepUnderTest training, RoundClock clock, BenchmarkOptions options, string name)
    {
        (this.training, this.clock, this.options, this.name) = (training, clock, options, name);
        held = [.. training.Load(HeldSteps)];
    }

    /// <summary>The step alone, between rounds of matrix products.</summary>
    public StepReport Run(PeakRounds peaks, double firstLoss, Action<string, int> begins)
    {
        var (images, flop) = (training.ImagesPerStep, training.Flop);
        clock.Seconds(1, Step);
        var (rates, products, shares) = peaks.Between(training.ProductType, options.Rounds, round =>
        {
            begins(name, round);
            return (double)StepsPerRound * images * flop / clock.Seconds(StepsPerRound, Step);
        });
        var rate = Measurement.Of(rates);
        return new StepReport(training.Precision, StepsPerRound, images, rate.Times(1.0 / flop), flop, rate,
            Measurement.Of(products), Measurement.Of(shares), firstLoss, Breakdown(begins));
    }

    /// <summary>Steps on batches from the loader, images/s.</summary>
    public Measurement EndToEnd(Action<string, int> begins) => Measurement.Of(Enumerable.Range(1, options.Rounds).Select(round =>
    {
        begins("end to end", round);
        using var batches = training.Load(StepsPerRound + 1).GetEnumerator();
        training.Step(batches).Dispose(); // the loader's thread has started
        return StepsPerRound * training.ImagesPerStep / clock.Seconds(StepsPerRound, () => training.Step(batches).Dispose());
    }));

    public void Dispose()
    {
        foreach (var batch in held) batch.Dispose();
    }

    /// <summary>Optimiser steps a round; found when the first one begins.</summary>
    private int StepsPerRound => steps > 0 ? steps : steps = options.Steps ?? clock.CallsIn(options.RoundSeconds, Step);

    private StepBreakdown Breakdown(Action<string, int> begins)
    {
        StepSeconds[] rounds = [.. Enumerable.Range(1, options.Rounds).Select(round =>
        {
            begins($"phases of the {name}", round);
            return training.MeanByPhases(StepsPerRound, clock);
        })];
        return new StepBreakdown(Of(r => r.Waiting), Of(r => r.Augment), Of(r => r.Forward), Of(r => r.Backward), Of(r => r.Optimizer), Of(r => r.Total),
            training.Couples ? Of(r => r.Couple) : null);

        Measurement Of(Func<StepSeconds, double> phase) => Measurement.Of(rounds.Select(phase));
    }

    private void Step() => training.Step(() => held[taken++ % held.Length]).Dispose();
}
