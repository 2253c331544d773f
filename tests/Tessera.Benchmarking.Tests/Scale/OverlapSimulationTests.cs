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
        OverlapSimulation.Run(Work, [4, 4, 4], _ => 0).ShouldBe(new SimulatedStep(Compute: 5.5, Reduction: 0, Exposed: 0));

    [Fact]
    public void One_Bucket_Hides_Nothing() =>
        OverlapSimulation.Run(Work, [12], _ => 1.25).ShouldBe(new SimulatedStep(5.5, 1.25, 1.25));

    [Fact]
    public void Without_A_Window_All_Of_The_Reduction_Is_Waited_For()
    {
        var step = OverlapSimulation.Run(Work with { Before = 5, Window = 0 }, [4, 4, 4], _ => 0.75);
        step.Exposed.ShouldBe(2.25);
        step.Total.ShouldBe(7.75);
    }

    /// <summary>
    /// k buckets of c seconds each through a window W: where the wire keeps up (c ≤ W / k), the last one is waited for; where it does not, it has been busy
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

        var step = OverlapSimulation.Run(Work, [.. Enumerable.Repeat(7L, k)], _ => c);

        step.Exposed.ShouldBe(exposed, 1e-9);
        step.Reduction.ShouldBe(k * c, 1e-9);
        step.Compute.ShouldBe(5.5);
    }

    /// <summary>For any buckets: the last ends when the latest of all their chains does, that of bucket i being when i was there plus all from i on.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Unequal_Buckets_Take_The_Longest_Chain(int seed)
    {
        var random = new Random(seed);
        long[] buckets = [.. Enumerable.Range(0, 30).Select(_ => random.NextInt64(1, 1000))];
        double Seconds(long bytes) => 0.01 + bytes / 7000.0;
        var (all, until) = ((double)buckets.Sum(), 0L);
        var there = buckets.Select(b => 3 + 2 * ((until += b) / all)).ToArray();
        var end = Enumerable.Range(0, buckets.Length).Max(i => there[i] + buckets[i..].Sum(Seconds));

        OverlapSimulation.Run(Work, buckets, Seconds).Exposed.ShouldBe(Math.Max(0, end - 5), 1e-9);
    }
}
