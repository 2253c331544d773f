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

    private static long Count()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Tensor.TotalCount;
    }
}
