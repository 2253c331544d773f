using Tessera.Runs;
using Tessera.Runtime;

namespace Tessera.Benchmarking.Scale;

/// <summary>What training over several ranks is simulated of, and how long its step is measured.</summary>
public sealed record ScaleOptions
{
    /// <summary>The training whose step is measured and shared out; its effective batch is what strong scaling keeps, and what weak scaling gives each rank.</summary>
    public PretrainOptions Pretraining { get; init; } = new();

    /// <summary>How many ranks.</summary>
    public IReadOnlyList<int> Ranks { get; init; } = [1, 2, 8, 64, 1024];

    /// <summary>What joins them. 10 Gbit/s and 0.1 ms: an ordinary data centre's Ethernet, TCP and MPI counted.</summary>
    public Wire Wire { get; init; } = new(1e-4, 10e9 / 8);

    /// <summary>
    /// Bytes of a bucket of gradients on the wire, which is reduced as one. 4 MiB: ten times what 0.1 ms costs at 10 Gbit/s, and still several
    /// buckets in the smallest models.
    /// </summary>
    public long BucketBytes { get; init; } = 4 << 20;

    /// <summary>Stages of the backward pass, at whose ends gradients are handed over. 3, as in training: it is cut at the encoder's end and at its middle.</summary>
    public int Stages { get; init; } = 3;

    /// <summary>Rounds of each measurement; the fastest counts.</summary>
    public int Rounds { get; init; } = 10;

    /// <summary>Optimiser steps a round; null: as many as take <see cref="RoundSeconds"/>.</summary>
    public int? Steps { get; init; }

    /// <summary>Seconds that a round lasts, about.</summary>
    public double RoundSeconds { get; init; } = 0.5; // short: the more rounds, the likelier is one that nothing else disturbs

    /// <summary>Sizes at which a step would take longer are not measured: more pictures take as much each.</summary>
    public double LargestStepSeconds { get; init; } = 4;

    /// <summary>Where packed pictures are kept and found again; null: a temporary folder.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Checks all options at once.</summary>
    /// <exception cref="OptionsException">Something is wrong; every fault is named.</exception>
    public void Validate()
    {
        var faults = Faults().ToList();
        if (faults.Count > 0) throw new OptionsException(faults);
        Pretraining.Validate();
    }

    private IEnumerable<string> Faults()
    {
        if (Ranks.Count == 0) yield return "there is no number of ranks";
        foreach (var ranks in Ranks.Where(r => r is < 1 or > 1 << 20)) yield return $"the number of ranks is {ranks}: it must be at least 1, and at most {1 << 20}";
        if (!(Wire.Latency >= 0) || double.IsInfinity(Wire.Latency)) yield return "the latency is below 0";
        if (!(Wire.Bandwidth > 0)) yield return "the bandwidth must be above 0";
        if (BucketBytes < 1024) yield return $"a bucket has {BucketBytes} bytes: it must have at least 1024"; // fewer are all latency, and millions of buckets
        if (Stages < 1) yield return $"the number of stages is {Stages}: it must be at least 1";
        if (Rounds < 1) yield return $"the number of rounds is {Rounds}: it must be at least 1";
        if (Steps < 1) yield return $"the number of steps a round is {Steps}: it must be at least 1";
        if (!(RoundSeconds > 0) || !(LargestStepSeconds > 0)) yield return "a round must last longer than 0 seconds";
    }
}
