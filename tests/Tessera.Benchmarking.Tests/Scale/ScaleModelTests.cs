using Tessera.Benchmarking.Scale;
using Tessera.Runtime;
using Tessera.Training;

namespace Tessera.Benchmarking.Tests.Scale;

public sealed class ScaleModelTests
{
    private const int Million = 1_000_000, Stages = 3;
    private static readonly Wire Perfect = new(0, double.PositiveInfinity), Slow = new(1e-3, 125e6);

    // A picture takes a tenth of a second, and nothing else takes any.
    private static readonly StepTimes Proportional = new([new StepTime(1, 0.04, 0.06, 0, 1), new StepTime(64, 2.56, 3.84, 0, 1)]);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(64)]
    public void A_Perfect_Wire_And_Pictures_That_Share_Out_Evenly_Lose_Nothing(int ranks)
    {
        var model = new ScaleModel(Proportional, 5 * Million, 64, Perfect, 4 << 20, Stages);
        foreach (var scaling in Enum.GetValues<Scaling>())
        {
            var row = model.Row(scaling, WireFormat.Fp32, ranks);
            row.Efficiency.ShouldBe(1, 1e-9);
            row.Bottleneck.ShouldBe(Bottleneck.None);
            row.ImagesPerSecond.ShouldBe(10 * ranks, 1e-6);
        }
    }

    [Fact]
    public void One_Rank_Waits_For_Nobody_Whatever_The_Wire()
    {
        var row = new ScaleModel(Proportional, 5 * Million, 64, Slow, 4 << 20, Stages).Row(Scaling.Strong, WireFormat.Fp32, 1);
        (row.Reduction, row.Exposed, row.Efficiency, row.EfficiencyUnhidden).ShouldBe((0, 0, 1, 1));
    }

    [Fact]
    public void With_More_Ranks_Than_Pictures_The_Busiest_Has_One_And_The_Rest_Idle()
    {
        var row = new ScaleModel(Proportional, 5 * Million, 64, Perfect, 4 << 20, Stages).Row(Scaling.Strong, WireFormat.Fp32, 256);
        row.PicturesPerRank.ShouldBe(0.25);
        row.Compute.ShouldBe(0.1, 1e-9);
        row.Efficiency.ShouldBe(0.25, 1e-9);
        row.Bottleneck.ShouldBe(Bottleneck.Pictures);
    }

    [Fact]
    public void What_No_Rank_Is_Spared_Is_Told_As_Too_Few_Pictures()
    {
        var model = new ScaleModel(new StepTimes([new StepTime(1, 0.04, 0.06, 1, 1), new StepTime(64, 2.56, 3.84, 1, 1)]), 5 * Million, 64, Perfect, 4 << 20, Stages);
        var row = model.Row(Scaling.Strong, WireFormat.Fp32, 64);
        row.Efficiency.ShouldBe((6.4 + 1) / 64 / (0.1 + 1), 1e-9);
        row.Bottleneck.ShouldBe(Bottleneck.Pictures);
        model.Row(Scaling.Weak, WireFormat.Fp32, 64).Efficiency.ShouldBe(1, 1e-9);
    }

    [Theory]
    [InlineData(0, 1e6, Bottleneck.Bandwidth)]
    [InlineData(0.5, 1e12, Bottleneck.Latency)]
    public void Names_What_The_Wire_Lacks(double latency, double bandwidth, Bottleneck bottleneck) =>
        new ScaleModel(Proportional, 5 * Million, 64, new Wire(latency, bandwidth), 4 << 20, Stages).Row(Scaling.Weak, WireFormat.Fp32, 8).Bottleneck.ShouldBe(bottleneck);

    [Fact]
    public void Half_The_Bytes_Take_Half_The_Time_Where_Messages_Have_No_Latency()
    {
        var model = new ScaleModel(Proportional, 5 * Million, 64, new Wire(0, 125e6), 4 << 20, Stages);
        var (whole, half) = (model.Row(Scaling.Strong, WireFormat.Fp32, 8), model.Row(Scaling.Strong, WireFormat.Bf16, 8));
        whole.Reduction.ShouldBe(2.0 * 7 / 8 * 20 * Million / 125e6, 1e-9);
        half.Reduction.ShouldBe(whole.Reduction / 2, 1e-9);
        whole.EfficiencyUnhidden.ShouldBe(0.8 / (0.8 + whole.Reduction), 1e-9);
        whole.Efficiency.ShouldBeGreaterThan(whole.EfficiencyUnhidden);
    }

    [Fact]
    public void A_Step_Between_Two_Measured_Sizes_Lies_On_Their_Line_And_Beyond_Costs_As_Much_A_Picture()
    {
        var times = new StepTimes([new StepTime(16, 1.6, 3.2, 0.2, 2), new StepTime(4, 0.5, 1, 0.1, 1)]);
        times.Of(4).ShouldBe(new StepWork(0.5, 1, 0.1));
        times.Of(1).ShouldBe(times.Of(4)); // no fewer were measured
        times.Of(10).Compute.ShouldBe(0.5 + 1.1 / 2 + 1 + 2.2 / 2 + 0.1, 1e-9);
        times.Of(10).Window.ShouldBe(2.1 / 2, 1e-9); // its gradients are final in the second of two parts
        times.Of(64).Compute.ShouldBe(4 * 4.8 + 0.1, 1e-9);
        times.Of(64).Window.ShouldBe(4 * 3.2 / 8, 1e-9);
    }

    [Fact]
    public void Sharding_Always_Pays_Where_The_Wire_Holds_The_Step_Up_Since_It_Sends_As_Much()
    {
        var times = new StepTimes([new StepTime(1, 0.001, 0.001, 0.016, 1)]);
        // Two ranks: 20 MB over the wire either way, .16 s behind almost nothing, and 8 ms less of the optimiser.
        var model = new ScaleModel(times, 5 * Million, 64, new Wire(0, 125e6), 32 << 20, Stages); // one bucket: nothing is hidden
        var sharding = model.Sharding(Precision.Fp32, 24L * Million, [2]);
        sharding.BestRanks.ShouldBe(2);
        sharding.BestGain.ShouldBe(0.008 / (32 * 0.002 + 0.016 + 0.16), 1e-9);
    }

    [Fact]
    public void Sharding_Pays_Where_The_Optimiser_Takes_Longer_Than_Sending_The_Weights()
    {
        // 20 MB of weights; their optimiser takes 16 ms, so that 1.25 GB/s is where many ranks neither gain nor lose.
        var times = new StepTimes([new StepTime(1, 0.04, 0.06, 0.016, 1), new StepTime(64, 2.56, 3.84, 0.016, 1)]);
        int[] ranks = [1, 2, 8];
        ShardingReport Over(double bandwidth) => new ScaleModel(times, 5 * Million, 64, new Wire(0, bandwidth), 4 << 20, Stages).Sharding(Precision.Fp32, 24L * Million, ranks);
        Over(1.25e9).BandwidthOfGain.ShouldBe(1.25e9, 1);
        Over(12.5e9).BestRanks.ShouldBe(8);
        Over(125e6).BestRanks.ShouldBeNull();
        Over(125e6).BestGain.ShouldBe(0);
        // Half of 24 MB, over the 16 bytes that a parameter takes with its gradient and two means.
        Over(1.25e9).ParametersOfHalfMemory.ShouldBe(750_000);
        Over(1.25e9).StateBytes.ShouldBe(40L * Million);
    }
}
