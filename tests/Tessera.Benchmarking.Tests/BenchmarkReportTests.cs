using System.Text.Json;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;

namespace Tessera.Benchmarking.Tests;

public sealed class BenchmarkReportTests : IDisposable
{
    private readonly ScratchFolder folder = new();

    [Fact]
    public void Is_The_Same_After_It_Was_Written_And_Read()
    {
        var report = Report(imagesPerSecond: 100);
        var read = BenchmarkReport.Read(Write(Text(report)));
        Text(read).ShouldBe(Text(report));
        read.Figures().ShouldBe(report.Figures());
    }

    [Fact]
    public void Sets_Each_Figure_Beside_The_Saved_One()
    {
        var ratios = Report(imagesPerSecond: 150).CompareWith(Report(imagesPerSecond: 100));
        ratios.Single(r => r.Name == "training step").ShouldBe(new BenchmarkRatio("step", "training step", "images/s", 100, 150, 1.5));
        ratios.Single(r => r.Name == "share of them").Ratio.ShouldBe(1);
        ratios.Single(r => r.Name == "waiting for data, of its time").Ratio.ShouldBeNull(); // it was nothing before
    }

    [Fact]
    public void Leaves_Out_Figures_That_Only_One_Report_Has()
    {
        var saved = Report(imagesPerSecond: 100) with { Step = null, Memory = new MemoryReport(1000, 600, 300) };
        var now = Report(imagesPerSecond: 100) with { Memory = new MemoryReport(2000, null, null) };
        now.CompareWith(saved).ShouldBe([new BenchmarkRatio("start", "peak memory", "B", 1000, 2000, 2)]);
    }

    [Fact]
    public void Names_What_Was_Set_Otherwise()
    {
        var saved = Report(imagesPerSecond: 100);
        var now = saved with { Options = saved.Options.WithTraining(t => t with { BatchSize = 64 }), System = saved.System with { Threads = 8 } };
        now.DifferencesFrom(saved).ShouldBe(["training.batchSize: 256, now 64", "threads: 2, now 8"]);
        saved.DifferencesFrom(saved).ShouldBeEmpty();
    }

    [Fact]
    public void Reads_A_Report_With_Figures_It_Does_Not_Know()
    {
        var text = Text(Report(imagesPerSecond: 100));
        BenchmarkReport.Read(Write(text.Insert(text.IndexOf('{') + 1, "\"weather\": 7,"))).Step!.ImagesPerSecond.Median.ShouldBe(100);
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[1, 2]")]
    [InlineData("measuring: training step")]
    public void Refuses_A_File_That_Is_No_Report(string text)
    {
        var file = Write(text);
        Should.Throw<InvalidDataException>(() => BenchmarkReport.Read(file)).Message.ShouldStartWith($"{file} is no report of a benchmark (");
    }

    public void Dispose() => folder.Dispose();

    private static BenchmarkReport Report(double imagesPerSecond)
    {
        var (step, none) = (Measurement.Once(0.5), Measurement.Once(0));
        return new BenchmarkReport
        {
            Time = new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero),
            System = new SystemReport("a processor", 2, 2, "cpu", "a system", ".NET", "0.1.0"),
            Options = new(),
            Step = new StepReport(Precision.Fp32, 3, 128, Measurement.Once(imagesPerSecond), 1000, Measurement.Once(imagesPerSecond * 1000),
                Measurement.Of([1e6, 2e6]), step, 0.75, new StepBreakdown(none, step, step, step, step, step)),
        };
    }

    private static string Text(BenchmarkReport report) => JsonSerializer.Serialize(report, TesseraJson.Options);

    private string Write(string text)
    {
        var file = folder.File("report.json");
        File.WriteAllText(file, text);
        return file;
    }
}
