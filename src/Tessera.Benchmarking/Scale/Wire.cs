namespace Tessera.Benchmarking.Scale;

/// <summary>What joins two ranks, in the usual model of a message's time: α + bytes / B. Every rank sends and receives at once, and none is in another's way.</summary>
/// <param name="Latency">α: seconds until a message's first byte is there.</param>
/// <param name="Bandwidth">B: bytes a second, each way. Infinite: messages cost their latency alone.</param>
public sealed record Wire(double Latency, double Bandwidth)
{
    /// <summary>Seconds of one message.</summary>
    public double Seconds(double bytes) => Latency + bytes / Bandwidth;
}

/// <summary>How MPI libraries sum a message over all ranks.</summary>
public enum AllReduceAlgorithm
{
    /// <summary>Each rank hands the nth part on to its neighbour, 2 (n - 1) times: first sums, then what they came to.</summary>
    Ring,

    /// <summary>Rabenseifner's: halves are exchanged and summed between ever other pairs, log2(n) times, and then gathered the same way back.</summary>
    Rabenseifner,

    /// <summary>The whole message is exchanged between ever other pairs, log2(n) times.</summary>
    RecursiveDoubling,
}

/// <summary>The time of an all-reduce.</summary>
/// <remarks>
/// Thakur, Rabenseifner and Gropp 2005, "Optimization of Collective Communication Operations in MPICH", section 4.5, with n ranks, a message of S bytes,
/// and without the term of the additions: memory sums some 10 GB a second, ten times what a wire of 10 Gbit/s brings. Where n is no power of
/// two, both trees fold the ranks above it in first, and tell them the result last: two whole messages more, as MPICH does it.
/// </remarks>
public static class AllReduceCost
{
    /// <summary>Seconds by one algorithm; 0 for one rank.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no rank.</exception>
    public static double Seconds(AllReduceAlgorithm algorithm, int ranks, double bytes, Wire wire)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ranks, 1);
        ArgumentNullException.ThrowIfNull(wire);
        if (ranks == 1) return 0;
        var rounds = int.Log2(ranks);
        var paired = 1 << rounds; // the largest power of two among them
        var folding = paired == ranks ? 0 : 2 * wire.Seconds(bytes);
        return algorithm switch
        {
            AllReduceAlgorithm.Ring => 2 * (ranks - 1) * wire.Seconds(bytes / ranks),
            AllReduceAlgorithm.Rabenseifner => folding + 2 * rounds * wire.Latency + 2 * (paired - 1) * bytes / paired / wire.Bandwidth,
            AllReduceAlgorithm.RecursiveDoubling => folding + rounds * wire.Seconds(bytes),
            _ => throw new ArgumentOutOfRangeException(nameof(algorithm), algorithm, null),
        };
    }

    /// <summary>The fastest algorithm for such a message, as MPI libraries choose by its size, and its seconds.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no rank.</exception>
    public static (AllReduceAlgorithm Algorithm, double Seconds) Fastest(int ranks, double bytes, Wire wire) =>
        Enum.GetValues<AllReduceAlgorithm>().Select(a => (Algorithm: a, Seconds: Seconds(a, ranks, bytes, wire))).MinBy(a => a.Seconds);

    /// <summary>Seconds in which every rank gets the others' equal shares of a message: half of what an all-reduce sends (the cheaper of ring and recursive doubling).</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no rank.</exception>
    public static double AllGatherSeconds(int ranks, double bytes, Wire wire)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(ranks, 1);
        ArgumentNullException.ThrowIfNull(wire);
        var messages = int.IsPow2(ranks) ? int.Log2(ranks) : ranks - 1;
        return ranks == 1 ? 0 : messages * wire.Latency + bytes / ranks * (ranks - 1) / wire.Bandwidth;
    }
}
