using System.Reflection;
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
    private const int Calls = 12_000;

    /// <summary>Every method that takes a tensor, and what it makes of (1, 2) with (.5, 4) or .25; each gets a tensor of its own, which it may change.</summary>
    private static readonly (string Name, Func<Tensor, Tensor, Tensor> Compute, float[] Expected)[] Methods =
    [
        ("Plus", (a, b) => a.Plus(b), [1.5f, 6]),
        ("Plus", (a, _) => a.Plus(0.25), [1.25f, 2.25f]),
        ("PlusInPlace", (a, b) => a.PlusInPlace(b), [1.5f, 6]),
        ("PlusInPlace", (a, _) => a.PlusInPlace(0.25), [1.25f, 2.25f]),
        ("Times", (a, _) => a.Times(0.25), [0.25f, 0.5f]),
        ("AtLeast", (a, _) => a.AtLeast(1.25), [1.25f, 2]),
        ("BetweenInPlace", (a, _) => a.BetweenInPlace(1.25, 1.5), [1.25f, 1.5f]),
        ("FillInPlace", (a, _) => a.FillInPlace(0.25), [0.25f, 0.25f]),
        ("CountTo", (_, _) => HeldNumbers.CountTo(2, CPU), [0, 1]),
        ("Multiples", (_, _) => HeldNumbers.Multiples(2, of: 3, CPU).to(ScalarType.Float32), [0, 3]),
    ];

    /// <summary>A method that is added is tried here too. What holds a number alone hands none to libtorch.</summary>
    [Fact]
    public void None_Is_Left_Out() =>
        typeof(HeldNumbers).GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly).Select(method => method.Name)
            .Where(name => name is not nameof(HeldNumbers.Hold)).Order().ShouldBe(Methods.Select(method => method.Name).Order());

    /// <summary>TorchSharp's own operators let go of numbers that libtorch still reads, and most often throw here.</summary>
    [Fact]
    public async Task Collecting_Garbage_All_The_Time_Changes_No_Result()
    {
        using var stop = new CancellationTokenSource();
        var others = Enumerable.Range(0, Environment.ProcessorCount + 1).Select(i => Run(i == 0 ? Collect : () => Thread.SpinWait(1000))).ToArray();
        try
        {
            using var scope = NewDisposeScope();
            var (a, b) = (tensor([1f, 2]), tensor([0.5f, 4]));
            foreach (var (name, compute, expected) in Methods)
            {
                for (var i = 0; i < Calls; i++)
                {
                    using var own = a.clone();
                    using var result = compute(own, b);
                    if ((result.ReadCpuSingle(0), result.ReadCpuSingle(1)) != (expected[0], expected[1])) result.Floats().ShouldBe(expected, $"{name}, call {i}");
                }
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
