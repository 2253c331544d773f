using Tessera.Figures;
using Tessera.Runs;
using Tessera.Tests.Fixtures;
using Tessera.Training;

namespace Tessera.Tests.Training;

public sealed class MetricsLogTests : IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Draws_A_Panel_A_Unit_And_Dashes_What_Learns_Nothing()
    {
        using var run = PretrainRun.Begin(folder.File("run"), PackedShapes.Options).Run;
        var log = MetricsLog.Open(run, long.MaxValue);
        log.Add(Training(1, 0.5, 3));
        log.Add(Training(2, 1, 2));
        log.Add(new MetricsLine(2, 1, [new("held-out/PSNR", 14, "dB"), new("held-out/PSNR of a filling", 13, "dB", IsBaseline: true), new("held-out/loss", 2.5, "loss")]));
        log.Add(Training(3, 1.5, 1));

        var panels = log.Panels();

        panels.Select(p => (p.Title, p.YLabel)).ShouldBe([
            ("Train loss, held-out loss", "loss"), ("Held-out PSNR", "dB"), ("Train learning rate", "rate"), ("Train images per second", "images/s")]);
        ShouldBe(panels[0].Curves[0], "train loss", [0.5, 1, 1.5], [3, 2, 1], dashed: false);
        ShouldBe(panels[0].Curves[1], "held-out loss", [1], [2.5], dashed: false);
        ShouldBe(panels[1].Curves[0], "held-out PSNR", [1], [14], dashed: false);
        ShouldBe(panels[1].Curves[1], "held-out PSNR of a filling", [1], [13], dashed: true);
    }

    [Fact]
    public void Reads_Its_Lines_Back_And_Drops_What_A_Resumed_Run_Does_Again()
    {
        using var run = PretrainRun.Begin(folder.File("run"), PackedShapes.Options).Run;
        var log = MetricsLog.Open(run, long.MaxValue);
        MetricsLine[] lines = [Training(1, 0.25, 3), new(1, 0.25, [new("held-out/PSNR", double.PositiveInfinity, "dB")]), Training(2, 0.5, 2)];
        foreach (var line in lines) log.Add(line);

        MetricsLog.Open(run, upToStep: 1).Lines.SelectMany(l => l.Metrics).ShouldBe(lines[..2].SelectMany(l => l.Metrics));

        File.ReadLines(run.MetricsFile).Count().ShouldBe(2);
        var read = MetricsLog.Open(run, long.MaxValue);
        read.LastTraining!.Find(MetricsLog.Loss).ShouldBe(3);
        read.LastEvaluation!.Find("held-out/PSNR").ShouldBe(double.PositiveInfinity);
        read.LastEvaluation.Find("nothing").ShouldBeNull();
    }

    [Theory]
    [InlineData("""{"step":2,"epoch":1,"metrics":[null]}""")]
    [InlineData("""{"step":2,"epoch":1,"metrics":[{"value":3,"unit":"loss","isBaseline":false}]}""")]
    [InlineData("""{"step":2,"epoch":1,"metrics":null}""")]
    [InlineData("""{"step":2,"epoch":1}""")]
    [InlineData("null")]
    public void A_Line_That_Lacks_Something_Ends_It(string line)
    {
        using var run = PretrainRun.Begin(folder.File("run"), PackedShapes.Options).Run;
        var log = MetricsLog.Open(run, long.MaxValue);
        log.Add(Training(1, 0.25, 3));
        File.AppendAllText(run.MetricsFile, line + "\n");
        log.Add(Training(3, 0.75, 1));

        MetricsLog.Read(run.Folder).Lines.ShouldHaveSingleItem().Step.ShouldBe(1);
    }

    [Fact]
    public void Names_That_Are_Read_Back_Are_Kept_Once()
    {
        using var run = PretrainRun.Begin(folder.File("run"), PackedShapes.Options).Run;
        var log = MetricsLog.Open(run, long.MaxValue);
        log.Add(Training(1, 0.25, 3));
        log.Add(Training(2, 0.5, 2));

        var lines = MetricsLog.Open(run, long.MaxValue).Lines;

        lines[1].Metrics[0].Name.ShouldBeSameAs(lines[0].Metrics[0].Name);
        lines[1].Metrics[2].Unit.ShouldBeSameAs(lines[0].Metrics[2].Unit);
    }

    private static MetricsLine Training(long step, double epoch, double loss) => new(step, epoch,
        [new(MetricsLog.Loss, loss, Metric.LossUnit), new(MetricsLog.LearningRate, 1e-3, "rate"), new(MetricsLog.ImagesPerSecond, 100, "images/s")]);

    private static void ShouldBe(Curve curve, string name, double[] x, double[] y, bool dashed)
    {
        curve.Name.ShouldBe(name);
        curve.X.ShouldBe(x);
        curve.Y.ShouldBe(y);
        curve.Dashed.ShouldBe(dashed);
    }
}
