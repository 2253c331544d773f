using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Training;

namespace Tessera.Benchmarking.Scale;

/// <summary>What training over several ranks comes to: a step measured here, its reduction by formula, both simulated together.</summary>
/// <param name="Time">When it was measured.</param>
/// <param name="System">What it was measured on: each rank is such a machine.</param>
/// <param name="Options">The training it was measured with.</param>
/// <param name="Precision">The number format of the step's matrix products; never auto, but what that came to.</param>
/// <param name="Wire">What joins the ranks.</param>
/// <param name="BucketBytes">Bytes that are reduced as one.</param>
/// <param name="Stages">Stages of the backward pass, at whose ends gradients are handed over.</param>
/// <param name="Parameters">Values that are trained, and that have gradients to reduce.</param>
/// <param name="Measured">The step at each number of pictures that was measured.</param>
/// <param name="Rows">What was simulated: strong scaling, then weak, each in both formats, by ranks.</param>
/// <param name="Sharding">When each rank should keep a share of the optimiser's state alone.</param>
public sealed record ScaleReport(
    DateTimeOffset Time, SystemReport System, PretrainOptions Options, Precision Precision, Wire Wire, long BucketBytes, int Stages, long Parameters,
    IReadOnlyList<StepTime> Measured, IReadOnlyList<ScaleRow> Rows, ShardingReport Sharding);

/// <summary>What stays the same while ranks are added.</summary>
public enum Scaling
{
    /// <summary>The effective batch: each rank gets a share of it, and the training stays what it was.</summary>
    Strong,

    /// <summary>The batch of a rank: the effective batch grows with the ranks.</summary>
    Weak,
}

/// <summary>What keeps so many ranks from being so many times as fast.</summary>
public enum Bottleneck
{
    /// <summary>Nothing that matters: of a hundredth of the step or less.</summary>
    None,

    /// <summary>A rank has too few pictures: what a step costs whatever their number (the optimiser, small matrix products) is not shared out.</summary>
    Pictures,

    /// <summary>The messages' latency.</summary>
    Latency,

    /// <summary>The wire's bandwidth.</summary>
    Bandwidth,
}

/// <summary>A step over so many ranks. Seconds.</summary>
/// <param name="Scaling">What stays the same.</param>
/// <param name="Format">The number format on the wire.</param>
/// <param name="Ranks">How many there are, n.</param>
/// <param name="PicturesPerRank">The effective batch over the ranks; below 1 some ranks have none, and wait.</param>
/// <param name="Compute">The busiest rank's own work.</param>
/// <param name="Reduction">How long its wire is busy.</param>
/// <param name="Exposed">How long it waits for it.</param>
/// <param name="Step">The whole step.</param>
/// <param name="Efficiency">Images/s over n times those of one rank, 0 to 1.</param>
/// <param name="EfficiencyUnhidden">The same where the reduction begins when all gradients are there, and none of it is hidden.</param>
/// <param name="ImagesPerSecond">Pictures of all ranks a second.</param>
/// <param name="Bottleneck">That of pictures, latency and bandwidth whose absence would save the most.</param>
/// <param name="Algorithm">What reduces a whole bucket the fastest.</param>
public sealed record ScaleRow(
    Scaling Scaling, WireFormat Format, int Ranks, double PicturesPerRank, double Compute, double Reduction, double Exposed, double Step,
    double Efficiency, double EfficiencyUnhidden, double ImagesPerSecond, Bottleneck Bottleneck, AllReduceAlgorithm Algorithm);

/// <summary>What each rank would spare by keeping its share of the optimiser's state alone, and what that would cost.</summary>
/// <remarks>
/// Rajbhandari et al. 2020, ZeRO (arXiv:1910.02054), stage 1. Gradients are reduced to the rank that steps on them, half of what an all-reduce sends; the
/// other half, the weights that it made, is sent after its step, when nothing is left to hide it.
/// </remarks>
/// <param name="StateBytes">AdamW's two means of every parameter, and in bf16 the fp32 weights besides.</param>
/// <param name="MemoryBytes">A rank's memory.</param>
/// <param name="ParametersOfHalfMemory">The size of model whose weights, gradients and state take half of it.</param>
/// <param name="OptimizerSeconds">Clipping and AdamW, measured.</param>
/// <param name="ShareOfStep">Of one rank's step, 0 to 1.</param>
/// <param name="BestRanks">At which of the numbers of ranks it would shorten the step the most (strong scaling, the step's own number format on the wire); null: at none.</param>
/// <param name="BestGain">By what share of the step, 0 to 1.</param>
/// <param name="BandwidthOfGain">Bytes a second from which sending the weights takes less time than the optimiser's step, at many ranks and without latency.</param>
public sealed record ShardingReport(
    long StateBytes, long MemoryBytes, long ParametersOfHalfMemory, double OptimizerSeconds, double ShareOfStep, int? BestRanks, double BestGain, double BandwidthOfGain);
