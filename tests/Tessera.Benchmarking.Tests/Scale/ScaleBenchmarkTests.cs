using Tessera.Benchmarking.Scale;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;

namespace Tessera.Benchmarking.Tests.Scale;

[Collection(LiveTensors.Name)]
public sealed class ScaleBenchmarkTests
{
    private static readonly ScaleOptions Moments = new()
    {
        Pretraining = PackedShapes.Options.WithTraining(t => t with { BatchSize = 8, Accumulate = 2, Device = "cpu", Precision = Precision.Fp32 }),
        Ranks = [2, 1, 64],
        Rounds = 1,
        Steps = 1,
    };

    [Fact]
    public void Measures_Shares_Of_A_Batch_And_Tells_A_Row_For_Each_Number_Of_Ranks()
    {
        var options = Moments with { Pretraining = Moments.Pretraining.WithObjective(o => o with { Teaching = Teaching.Pixels }) };
        var report = new ScaleBenchmark(options).Run(TestContext.Current.CancellationToken);

        report.Measured.Select(m => m.Pictures).ShouldBe([1, 4, 8]); // of 16 an effective batch, 8 are computed at once
        report.Measured.ShouldAllBe(m => m.Forward > 0 && m.Backward > 0 && m.Optimizer > 0 && m.Parts == 1);
        report.Parameters.ShouldBe((long)TransformerCost.Parameters(options.Pretraining.ToModel()));
        report.Rows.Select(r => $"{r.Scaling} {r.Format} {r.Ranks}").ShouldBe(
        [
            "Strong Fp32 1", "Strong Fp32 2", "Strong Fp32 64", "Strong Bf16 1", "Strong Bf16 2", "Strong Bf16 64",
            "Weak Fp32 1", "Weak Fp32 2", "Weak Fp32 64", "Weak Bf16 1", "Weak Bf16 2", "Weak Bf16 64",
        ]);
        report.Rows.Where(r => r.Scaling == Scaling.Strong).Select(r => r.PicturesPerRank).Distinct().ShouldBe([16, 8, 0.25]);
        report.Rows.ShouldAllBe(r => double.IsFinite(r.Step) && r.Step >= r.Compute && r.Exposed <= r.Reduction + 1e-12);
        report.Sharding.StateBytes.ShouldBe(8 * report.Parameters);
        report.Sharding.MemoryBytes.ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Pictures_That_Are_Compared_Are_Measured_In_Pairs_At_Least_And_Their_Projector_Has_Gradients()
    {
        var options = Moments with { Pretraining = Moments.Pretraining.WithObjective(o => o with { Teaching = Teaching.PixelsAndViews }) };
        var report = new ScaleBenchmark(options).Run(TestContext.Current.CancellationToken);
        report.Measured[0].Pictures.ShouldBe(2);
        report.Parameters.ShouldBeGreaterThan((long)TransformerCost.Parameters(options.Pretraining.ToModel()));
    }

    [Fact]
    public void Says_All_That_Is_Wrong_With_Its_Options()
    {
        var wrong = Moments with { Ranks = [0, 1], Wire = new Wire(-1, 0), BucketBytes = 3, Stages = 0, Rounds = 0, Steps = 0 };
        var told = Should.Throw<OptionsException>(() => new ScaleBenchmark(wrong).Run(TestContext.Current.CancellationToken)).Message;
        told.ShouldBe("The number of ranks is 0: it must be at least 1, and at most 1048576; the latency is below 0; the bandwidth must be above 0; "
            + "a bucket has 3 bytes: it must have at least 1024; the number of stages is 0: it must be at least 1; the number of rounds is 0: it must be at least 1; the number of steps a round is 0: it must be at least 1.");
    }
}
