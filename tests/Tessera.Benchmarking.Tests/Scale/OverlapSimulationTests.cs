using Tessera.Benchmarking.Scale;

namespace Tessera.Benchmarking.Tests.Scale;

public sealed class OverlapSimulationTests
{
    private static readonly StepWork Work = new(Before: 3, Window: 2, After: 0.5);

    [Theory]
    [InlineData(10, 4, new long[] { 4, 4, 2 })]
    [InlineData(8, 4, new long[] { 4, 4 })]
    [InlineData(3, 4, new long[] { 3 })]
    public void Cuts_Gradients_Into_Buckets(long bytes, long bucket, long[] buckets) => OverlapSimulation.Buckets(bytes, bucket).ShouldBe(buckets);

    [Fact]
    public void A_Reduction_That_Takes_No_Time_Leaves_The_Step_As_It_Was() =>
        OverlapSimulation.Run(Work, [4, 4, 4], _ => 0, stages: 3).ShouldBe(new SimulatedStep(Compute: 5.5, Reduction: 0, Exposed: 0));

    [Fact]
    public void One_Bucket_Hides_Nothing() =>
        OverlapSimulation.Run(Work, [12], _ => 1.25, stages: 3).ShouldBe(new SimulatedStep(5.5, 1.25, 1.25));

    [Fact]
    public void Without_A_Window_All_Of_The_Reduction_Is_Waited_For()
    {
        var step = OverlapSimulation.Run(Work with { Before = 5, Window = 0 }, [4, 4, 4], _ => 0.75, stages: 3);
        step.Exposed.ShouldBe(2.25);
        step.Total.ShouldBe(7.75);
    }

    [Fact]
    public void One_Stage_Hides_Nothing() =>
        OverlapSimulation.Run(Work, [4, 4, 4], _ => 0.75, stages: 1).ShouldBe(new SimulatedStep(5.5, 2.25, 2.25));

    [Fact]
    public void A_Bucket_Waits_For_The_End_Of_The_Stage_In_Which_Its_Last_Gradient_Is()
    {
        // Six buckets in two stages of a second each: three are handed over after the first, and at the end three more, which wait where the first are still on their way.
        OverlapSimulation.Run(Work, [1, 1, 1, 1, 1, 1], _ => 0.4, stages: 2).Exposed.ShouldBe(0.2 + 3 * 0.4, 1e-9);
        OverlapSimulation.Run(Work, [1, 1, 1, 1, 1, 1], _ => 0.3, stages: 2).Exposed.ShouldBe(3 * 0.3, 1e-9);
    }

    /// <summary>
    /// k buckets of c seconds each, a stage of a window W for each: where the wire keeps up (c ≤ W / k), the last one is waited for; where it does not, it has been busy
    /// since the first was there, W / k + k c after the window began.
    /// </summary>
    [Theory]
    [InlineData(1, 0.3)]
    [InlineData(4, 0.1)]
    [InlineData(4, 0.5)]
    [InlineData(4, 0.51)]
    [InlineData(4, 3)]
    [InlineData(100, 0.019)]
    [InlineData(100, 0.021)]
    public void Equal_Buckets_Take_Their_Closed_Form(int k, double c)
    {
        const double W = 2;
        var exposed = c <= W / k ? c : W / k + k * c - W;

        var step = OverlapSimulation.Run(Work, [.. Enumerable.Repeat(7L, k)], _ => c, stages: k);

        step.Exposed.ShouldBe(exposed, 1e-9);
        step.Reduction.ShouldBe(k * c, 1e-9);
        step.Compute.ShouldBe(5.5);
    }

    /// <summary>For any buckets: the last ends when the latest of all their chains does, that of bucket i being when i was there plus all from i on.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    [InlineData(3, 1000)]
    public void Unequal_Buckets_Take_The_Longest_Chain(int seed, int stages)
    {
        var random = new Random(seed);
        long[] buckets = [.. Enumerable.Range(0, 30).Select(_ => random.NextInt64(1, 1000))];
        double Seconds(long bytes) => 0.01 + bytes / 7000.0;
        var (all, until) = ((double)buckets.Sum(), 0L);
        var there = buckets.Select(b => 3 + 2 * Math.Ceiling((until += b) * stages / all) / stages).ToArray();
        var end = Enumerable.Range(0, buckets.Length).Max(i => there[i] + buckets[i..].Sum(Seconds));

        OverlapSimulation.Run(Work, buckets, Seconds, stages).Exposed.ShouldBe(Math.Max(0, end - 5), 1e-9);
    }
}
