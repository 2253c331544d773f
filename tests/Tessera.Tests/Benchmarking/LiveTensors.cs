using static TorchSharp.torch;

namespace Tessera.Tests.Benchmarking;

/// <summary>Tests that count the process's live tensors run by themselves.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class LiveTensors
{
    public const string Name = "live tensors";

    /// <summary>How many there are, after those that nothing refers to are gone.</summary>
    internal static long Count()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return Tensor.TotalCount;
    }
}
