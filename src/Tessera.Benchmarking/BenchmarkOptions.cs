using Tessera.Runs;
using Tessera.Runtime;

namespace Tessera.Benchmarking;

/// <summary>What is measured, and how long.</summary>
public sealed record BenchmarkOptions
{
    /// <summary>The training whose speed is measured; its schedule does not matter.</summary>
    public PretrainOptions Pretraining { get; init; } = new();

    /// <summary>What is measured.</summary>
    public BenchmarkParts Parts { get; init; } = BenchmarkParts.All;

    /// <summary>Rounds of each measurement. Seven: one slow round on a shared machine moves neither the median nor its neighbours.</summary>
    public int Rounds { get; init; } = 7;

    /// <summary>Optimiser steps a round; null: as many as take <see cref="RoundSeconds"/>.</summary>
    public int? Steps { get; init; }

    /// <summary>Seconds that a round lasts, about. Long beside a clock's tick and short beside the drift of a shared machine.</summary>
    public double RoundSeconds { get; init; } = 2;

    /// <summary>Seconds that a round of one matrix product or one copy lasts, about.</summary>
    public double LimitSeconds { get; init; } = 0.25;

    /// <summary>Sides of the square matrix products that are tried beside the model's own; null: what fits the device.</summary>
    public IReadOnlyList<int>? MatrixSides { get; init; }

    /// <summary>Bytes of the buffer that is copied: far more than any cache holds.</summary>
    public long CopyBytes { get; init; } = 512L << 20;

    /// <summary>Pictures at most that are decoded or packed a round.</summary>
    public int LargestDecode { get; init; } = 20_000;

    /// <summary>Pictures that are written as JPEGs where the source is no folder of pictures.</summary>
    public int DrawnJpegs { get; init; } = 2_000;

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
        (string Name, double? Value)[] counts =
        [
            ("number of rounds", Rounds), ("number of steps a round", Steps), ("number of pictures to decode", LargestDecode),
            ("number of JPEGs", DrawnJpegs), ("smallest side of a matrix", MatrixSides?.Append(int.MaxValue).Min()),
        ];
        foreach (var (name, value) in counts)
        {
            if (value < 1) yield return $"the {name} is {value}: it must be at least 1";
        }
        if (!(RoundSeconds > 0) || !(LimitSeconds > 0)) yield return "a round must last longer than 0 seconds";
        if (CopyBytes < sizeof(float)) yield return $"the buffer to copy has {CopyBytes} bytes: it must have at least {sizeof(float)}";
        if (Parts == BenchmarkParts.None) yield return "there is nothing to measure: name at least one part";
    }
}

/// <summary>What a benchmark measures.</summary>
[Flags]
public enum BenchmarkParts
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>The machine's limits: matrix products and memory.</summary>
    Machine = 1,

    /// <summary>The training step: start-up, memory, images/s, its share of the machine's limit, where its time goes.</summary>
    Step = 2,

    /// <summary>The way of the data: from JPEGs, packing, from a packed file, end to end.</summary>
    Loader = 4,

    /// <summary>Embedding whole pictures.</summary>
    Embed = 8,

    /// <summary>The step that makes a classifier of the encoder, where pictures have classes.</summary>
    Finetune = 16,

    /// <summary>Everything.</summary>
    All = Machine | Step | Loader | Embed | Finetune,
}
