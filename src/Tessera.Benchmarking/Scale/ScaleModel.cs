using Tessera.Runtime;
using Tessera.Training;

namespace Tessera.Benchmarking.Scale;

/// <summary>Puts a measured step and the formulas of its reduction together.</summary>
/// <param name="times">A rank's step.</param>
/// <param name="parameters">Values that have gradients.</param>
/// <param name="effectiveBatch">Pictures an optimiser step of the run.</param>
/// <param name="wire">What joins the ranks.</param>
/// <param name="bucketBytes">Bytes that are reduced as one.</param>
/// <param name="stages">Stages of the backward pass, at whose ends gradients are handed over.</param>
public sealed class ScaleModel(StepTimes times, long parameters, int effectiveBatch, Wire wire, long bucketBytes, int stages)
{
    private const double Negligible = 0.01; // of a step

    /// <summary>A step over so many ranks.</summary>
    public ScaleRow Row(Scaling scaling, WireFormat format, int ranks)
    {
        var (pictures, alone) = (scaling == Scaling.Strong ? (double)effectiveBatch / ranks : effectiveBatch, times.Of(effectiveBatch).Compute);
        var work = Work(scaling, ranks);
        var step = Step(work, format, ranks, wire);
        var ideal = scaling == Scaling.Strong ? alone / ranks : alone;
        (Bottleneck Kind, double Saved)[] causes =
        [
            (Bottleneck.Pictures, work.Compute - ideal),
            (Bottleneck.Latency, step.Exposed - Step(work, format, ranks, wire with { Latency = 0 }).Exposed),
            (Bottleneck.Bandwidth, step.Exposed - Step(work, format, ranks, wire with { Bandwidth = double.PositiveInfinity }).Exposed),
        ];
        var (kind, saved) = causes.MaxBy(c => c.Saved);
        return new ScaleRow(scaling, format, ranks, pictures, step.Compute, step.Reduction, step.Exposed, step.Total, ideal / step.Total,
            ideal / (step.Compute + step.Reduction), (scaling == Scaling.Strong ? 1 : ranks) * effectiveBatch / step.Total, saved > Negligible * step.Total ? kind : Bottleneck.None,
            AllReduceCost.Fastest(ranks, Math.Min(bucketBytes, Bytes(format)), wire).Algorithm);
    }

    /// <summary>What sharding the optimiser's state would bring.</summary>
    /// <param name="precision">The step's number format.</param>
    /// <param name="memoryBytes">A rank's memory.</param>
    /// <param name="ranks">The numbers of ranks to look at.</param>
    public ShardingReport Sharding(Precision precision, long memoryBytes, IEnumerable<int> ranks)
    {
        var format = precision == Precision.Bf16 ? WireFormat.Bf16 : WireFormat.Fp32;
        var state = precision == Precision.Bf16 ? 12 : 8; // two means, and the fp32 weights where the model's are copies
        var all = state + BytesOf(format) + sizeof(float); // and the weights that the model computes with, and gradients
        var alone = times.Of(effectiveBatch);
        var gains = ranks.Where(n => n > 1).Order().Select(n => (Ranks: n, Gain: 1 - Sharded(format, n) / Step(Work(Scaling.Strong, n), format, n, wire).Total)).ToList();
        var best = gains.Count == 0 ? (Ranks: 1, Gain: 0) : gains.MaxBy(g => g.Gain);
        return new ShardingReport(state * parameters, memoryBytes, memoryBytes / 2 / all, alone.After, alone.After / alone.Compute,
            best.Gain > 0 ? best.Ranks : null, Math.Max(0, best.Gain), alone.After > 0 ? Bytes(format) / alone.After : double.PositiveInfinity);
    }

    /// <summary>The step's seconds where each rank steps its share, and then sends the weights that it made.</summary>
    private double Sharded(WireFormat format, int ranks)
    {
        var work = Work(Scaling.Strong, ranks);
        var reduced = OverlapSimulation.Run(work with { After = work.After / ranks }, OverlapSimulation.Buckets(Bytes(format), bucketBytes),
            bytes => AllReduceCost.Fastest(ranks, bytes, wire).Seconds / 2, stages);
        return reduced.Total + AllReduceCost.AllGatherSeconds(ranks, Bytes(format), wire);
    }

    private StepWork Work(Scaling scaling, int ranks) =>
        times.Of(scaling == Scaling.Strong ? (effectiveBatch + ranks - 1) / ranks : effectiveBatch); // the rank with the most pictures

    private SimulatedStep Step(StepWork work, WireFormat format, int ranks, Wire over) => OverlapSimulation.Run(
        work, OverlapSimulation.Buckets(Bytes(format), bucketBytes), bytes => AllReduceCost.Fastest(ranks, bytes, over).Seconds, stages);

    private long Bytes(WireFormat format) => parameters * BytesOf(format);

    private static int BytesOf(WireFormat format) => format == WireFormat.Bf16 ? 2 : 4;
}
