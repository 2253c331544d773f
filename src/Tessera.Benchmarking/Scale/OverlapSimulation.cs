namespace Tessera.Benchmarking.Scale;

/// <summary>What a rank computes in a step, in seconds, as the reduction sees it.</summary>
/// <param name="Before">Until the first gradient is final: views, forward passes, and the backward passes of all parts of the batch but the last.</param>
/// <param name="Window">The last part's backward pass, through which gradients become final.</param>
/// <param name="After">Clipping and the optimiser's step, for which all gradients must have come.</param>
public sealed record StepWork(double Before, double Window, double After)
{
    /// <summary>The step where nothing is waited for, seconds.</summary>
    public double Compute => Before + Window + After;
}

/// <summary>A step whose gradients are reduced while it computes. Seconds.</summary>
/// <param name="Compute">What the rank computes.</param>
/// <param name="Reduction">How long the wire is busy.</param>
/// <param name="Exposed">How long the rank waits for it, having computed all gradients.</param>
public sealed record SimulatedStep(double Compute, double Reduction, double Exposed)
{
    /// <summary>The whole step.</summary>
    public double Total => Compute + Exposed;
}

/// <summary>Simulates a step event by event: gradients become final from the last layer to the first, and one bucket of them after the other is reduced.</summary>
/// <remarks>Li et al. 2020, "PyTorch Distributed: Experiences on Accelerating Data Parallel Training" (arXiv:2006.15704), section 3.2.3.</remarks>
public static class OverlapSimulation
{
    /// <summary>Cuts gradients into buckets: all of one size, and the last one of what is left.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    public static IReadOnlyList<long> Buckets(long bytes, long bucketBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(bucketBytes, 1);
        var whole = Enumerable.Repeat(bucketBytes, (int)(bytes / bucketBytes));
        return bytes % bucketBytes == 0 ? [.. whole] : [.. whole, bytes % bucketBytes];
    }

    /// <summary>Runs one step.</summary>
    /// <param name="work">What the rank computes.</param>
    /// <param name="buckets">Bytes of each bucket, in the order in which they become final.</param>
    /// <param name="seconds">What reducing so many bytes takes.</param>
    /// <param name="stages">
    /// Stages of the backward pass, of equal bytes and times: a bucket is handed over at the end of the one in which its last gradient becomes final.
    /// 1: when all are there, so that nothing is hidden.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">There is no stage.</exception>
    public static SimulatedStep Run(StepWork work, IReadOnlyList<long> buckets, Func<long, double> seconds, int stages)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(stages, 1);
        ArgumentNullException.ThrowIfNull(work);
        ArgumentNullException.ThrowIfNull(buckets);
        ArgumentNullException.ThrowIfNull(seconds);
        var events = new PriorityQueue<(Event What, int Bucket), (double At, int Bucket)>();
        var (bytes, all, busy, isBusy, waiting, end) = (0L, (double)buckets.Sum(), 0.0, false, new Queue<int>(), 0.0); // bytes of a bucket and those before it
        for (var i = 0; i < buckets.Count; i++)
        {
            bytes += buckets[i];
            events.Enqueue((Event.Final, i), (work.Before + work.Window * Math.Ceiling(bytes * stages / all) / stages, i));
        }
        while (events.TryDequeue(out var happened, out var when))
        {
            if (happened.What == Event.Final) waiting.Enqueue(happened.Bucket);
            else (isBusy, end) = (false, when.At);
            if (isBusy || !waiting.TryDequeue(out var next)) continue;
            var takes = seconds(buckets[next]);
            (isBusy, busy) = (true, busy + takes);
            events.Enqueue((Event.Reduced, next), (when.At + takes, next));
        }
        return new SimulatedStep(work.Compute, busy, Math.Max(0, end - work.Before - work.Window));
    }

    private enum Event
    {
        Final,
        Reduced,
    }
}
