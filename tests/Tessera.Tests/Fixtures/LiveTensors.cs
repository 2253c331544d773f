using static TorchSharp.torch;

namespace Tessera.Tests.Fixtures;

/// <summary>Tests that count the process's live tensors or its memory run by themselves.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class LiveTensors
{
    public const string Name = "live tensors";

    /// <summary>How many more there are after the work, when those that nothing refers to are gone.</summary>
    internal static long GrowthOver(Action work)
    {
        var before = Count();
        work();
        return Count() - before;
    }

    /// <summary>How many there are after each time that the work is done, those that nothing refers to among them, but none that were left before.</summary>
    internal static long[] CountsWithGarbage(int times, Action<int> work)
    {
        _ = Count();
        return [.. Enumerable.Range(0, times).Select(time =>
        {
            work(time);
            return Tensor.TotalCount;
        })];
    }

    /// <summary>How many there are that something refers to.</summary>
    internal static long Count()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Tensor.TotalCount;
    }
}
