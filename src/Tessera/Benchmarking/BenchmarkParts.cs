namespace Tessera.Benchmarking;

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

    /// <summary>Everything.</summary>
    All = Machine | Step | Loader | Embed,
}
