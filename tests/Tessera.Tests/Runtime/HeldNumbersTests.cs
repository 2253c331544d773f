using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Tests.Runtime;

public sealed class HeldNumbersTests
{
    [Fact]
    public void Compute_What_Their_Names_Say()
    {
        using var scope = NewDisposeScope();
        var (a, b) = (tensor([1f, -2, 3]), tensor([0.5f, 4, -1]));
        a.Plus(b).Floats().ShouldBe([1.5f, 2, 2]);
        a.Plus(0.25).Floats().ShouldBe([1.25f, -1.75f, 3.25f]);
        a.Times(-2).Floats().ShouldBe([-2f, 4, -6]);
        a.AtLeast(0).Floats().ShouldBe([1f, 0, 3]);
        a.Floats().ShouldBe([1f, -2, 3]); // nothing above changed it
        a.PlusInPlace(b).PlusInPlace(1).Floats().ShouldBe([2.5f, 3, 3]);
        a.BetweenInPlace(0, 2.75).Floats().ShouldBe([2.5f, 2.75f, 2.75f]);
        a.FillInPlace(7).Floats().ShouldBe([7f, 7, 7]);
        HeldNumbers.Multiples(4, of: 3, CPU).Longs().ShouldBe([0L, 3, 6, 9]);
    }
}

/// <summary>Alone, since it makes the whole process collect garbage without pause, on more threads than there are cores.</summary>
[CollectionDefinition(nameof(GarbageCollectionTests), DisableParallelization = true)]
[Collection(nameof(GarbageCollectionTests))]
public sealed class GarbageCollectionTests
{
    private const int Calls = 60_000;

    /// <summary>TorchSharp's own operators let go of numbers that libtorch still reads, and most often throw here.</summary>
    [Fact]
    public async Task Collecting_Garbage_All_The_Time_Changes_No_Sum()
    {
        using var stop = new CancellationTokenSource();
        var others = Enumerable.Range(0, Environment.ProcessorCount + 1).Select(i => Run(i == 0 ? Collect : () => Thread.SpinWait(1000))).ToArray();
        try
        {
            using var scope = NewDisposeScope();
            var (a, b) = (tensor([1f, 2]), tensor([0.5f, 4]));
            for (var i = 0; i < Calls; i++)
            {
                using var sum = a.Plus(b);
                using var raised = sum.Plus(0.25);
                raised.ReadCpuSingle(0).ShouldBe(1.75f);
            }
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(others);
        }

        Task Run(Action work) => Task.Factory.StartNew(() =>
        {
            while (!stop.IsCancellationRequested) work();
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

        static void Collect()
        {
            GC.Collect(0);
            GC.WaitForPendingFinalizers();
        }
    }
}
