using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;

namespace Tessera.Benchmarking.Tests;

[Collection(LiveTensors.Name)]
public sealed class BenchmarkTests
{
    private static readonly BenchmarkOptions Moments = new()
    {
        Pretraining = PackedShapes.Options.WithTraining(t => t with { BatchSize = 8, Device = "cpu", Precision = Precision.Fp32 }),
        Rounds = 2,
        Steps = 1,
        RoundSeconds = 1e-6,
        LimitSeconds = 1e-6,
        MatrixSides = [16],
        CopyBytes = 4096,
        LargestDecode = 5,
        DrawnJpegs = 6,
    };

    [Theory]
    [InlineData(Precision.Fp32)]
    [InlineData(Precision.Bf16)]
    public void Measures_Everything_And_Leaves_No_Tensor_And_No_File_Behind(Precision precision)
    {
        var options = Moments with { Pretraining = Moments.Pretraining.WithTraining(t => t with { Precision = precision }) };
        var (folders, report) = (Folders(), (BenchmarkReport)null!); // set below
        LiveTensors.GrowthOver(() => report = new Benchmark(options).Run(TestContext.Current.CancellationToken))
            .ShouldBe(OfBuildingAlone(options.Pretraining));
        Folders().ShouldBe(folders);

        report.Figures().Select(f => f.Part).Distinct().ShouldBe(["machine", "start", "step", "loader", "embed", "finetune"]);
        report.Figures().ShouldAllBe(f => double.IsFinite(f.Value.Median) && f.Value.Lowest <= f.Value.Median && f.Value.Median <= f.Value.Highest);
        report.Figures().Where(f => f.Unit != "share").ShouldAllBe(f => f.Value.Lowest > 0);
        report.Step!.Precision.ShouldBe(precision);
        report.StartUp!.Packed.ShouldBeTrue();
        report.Loader!.FilesAre.ShouldBe("JPEGs of 3×32×32, written from the packed pictures");
    }

    [Fact]
    public void Counts_A_Steps_Work_From_The_Architecture()
    {
        var options = Moments with
        {
            Pretraining = Moments.Pretraining.WithObjective(o => o with { Placement = MaskPlacement.Decoder }).WithTraining(t => t with { Accumulate = 2 }),
            Parts = BenchmarkParts.Step,
        };
        var step = new Benchmark(options).Run(TestContext.Current.CancellationToken).Step!;
        step.ImagesPerStep.ShouldBe(16);
        step.StepsPerRound.ShouldBe(1);
        step.FlopPerImage.ShouldBe(TransformerCost.FlopOfPretraining(options.Pretraining.ToModel(), visible: 4).Training);
        step.FlopPerSecond.Median.ShouldBe(step.ImagesPerSecond.Median * step.FlopPerImage, step.FlopPerSecond.Median * 1e-9);
        step.Peak.Rounds.ShouldBe(3); // before, between and after two rounds
        var phases = step.Breakdown;
        new[] { phases.Waiting, phases.Augment, phases.Forward, phases.Backward, phases.Optimizer }
            .Sum(p => p.Lowest).ShouldBeLessThanOrEqualTo(phases.Total.Highest);
    }

    [Theory]
    [InlineData(BenchmarkParts.Machine, "machine")]
    [InlineData(BenchmarkParts.Loader, "loader")]
    [InlineData(BenchmarkParts.Finetune, "finetune")]
    [InlineData(BenchmarkParts.Embed | BenchmarkParts.Machine, "machine embed")]
    public void Measures_Only_What_Was_Asked_For(BenchmarkParts parts, string found)
    {
        var report = new Benchmark(Moments with { Parts = parts }).Run(TestContext.Current.CancellationToken);
        string.Join(' ', report.Figures().Select(f => f.Part).Distinct()).ShouldBe(found);
    }

    [Theory]
    [InlineData("matrix products, fp32")]
    [InlineData("training step")]
    [InlineData("phases of the training step")]
    [InlineData("packing")]
    [InlineData("embedding")]
    public void Stops_Where_It_Is_Interrupted_And_Leaves_Nothing_Behind(string doing)
    {
        var folders = Folders();
        using var interrupt = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        var heard = new List<string>();
        var benchmark = new Benchmark(Moments, new Listener(p =>
        {
            heard.Add(p.Doing);
            if (p.Doing == doing) interrupt.Cancel();
        }));
        LiveTensors.GrowthOver(() => Should.Throw<OperationCanceledException>(() => benchmark.Run(interrupt.Token)))
            .ShouldBe(OfBuildingAlone(Moments.Pretraining, withClassifier: false)); // it comes last
        heard.ShouldBe(heard.TakeWhile(h => h != doing).Append(doing)); // nothing began after it
        Folders().ShouldBe(folders);
    }

    [Fact]
    public void Decodes_The_Sources_Own_Files_And_Finds_What_Was_Packed_Before()
    {
        using var folder = new ScratchFolder();
        using (var images = PackedImages.OpenOrPack("shapes:64", new ImageShape(3, 32, 32), folder.File("shapes"), null, TestContext.Current.CancellationToken))
            JpegFolder.Write(images, 20, folder.File("pictures"), TestContext.Current.CancellationToken);
        var options = Moments with
        {
            Pretraining = Moments.Pretraining.WithData(d => d with { Source = folder.File("pictures") }),
            Parts = BenchmarkParts.Loader | BenchmarkParts.Step,
            CacheFolder = folder.File("cache"),
        };
        var first = new Benchmark(options).Run(TestContext.Current.CancellationToken);
        var second = new Benchmark(options).Run(TestContext.Current.CancellationToken);
        first.Loader!.FilesAre.ShouldBe("the source's own files");
        (first.StartUp!.Packed, second.StartUp!.Packed).ShouldBe((true, false));
        second.Step!.FirstLoss.ShouldBe(first.Step!.FirstLoss); // a function of the options and pictures
    }

    [Fact]
    public void Measures_Streaming_As_What_It_Is()
    {
        var options = Moments with { Parts = BenchmarkParts.Loader | BenchmarkParts.Step };
        var packed = new Benchmark(options).Run(TestContext.Current.CancellationToken);
        var streamed = new Benchmark(options with { Pretraining = options.Pretraining.WithData(d => d with { NoPack = true }) }).Run(TestContext.Current.CancellationToken);
        streamed.StartUp!.Packed.ShouldBeFalse();
        streamed.Figures().Select(f => f.Name).Except(packed.Figures().Select(f => f.Name)).ShouldBe(["streamed"]);
        streamed.Loader!.FilesAre.ShouldBe("JPEGs of 3×32×32, written from the source's pictures");
        streamed.Step!.FirstLoss.ShouldBe(packed.Step!.FirstLoss); // the same batches
    }

    [Fact]
    public void Says_All_That_Is_Wrong_With_Its_Options()
    {
        var wrong = Moments with { Rounds = 0, Steps = -1, Parts = BenchmarkParts.None };
        var told = Should.Throw<OptionsException>(() => new Benchmark(wrong).Run(TestContext.Current.CancellationToken)).Message;
        told.ShouldContain("the number of rounds is 0");
        told.ShouldContain("the number of steps a round is -1");
        told.ShouldContain("nothing to measure");
    }

    /// <summary>TorchSharp counts the tensors that a model's parameters are made from for ever, though they are gone.</summary>
    private static long OfBuildingAlone(PretrainOptions options, bool withClassifier = true)
    {
        using var folder = new ScratchFolder();
        using var images = PackedImages.OpenOrPack("shapes:64", new ImageShape(3, 32, 32), folder.Path);
        return LiveTensors.GrowthOver(() =>
        {
            var data = Pretraining.DataOf(options, images, Pretraining.CheckedSplit(options, images));
            using var pretraining = Pretraining.ObjectiveOf(options, data);
            new StepUnderTest(pretraining.Objective, data, options.Training.Resolved(), flop: 1).Dispose();
            if (!withClassifier) return;
            var (objective, labelled) = Benchmark.ClassifierOf(data, pretraining.Model.Options.Encoder);
            using var owned = objective;
            new StepUnderTest(objective, labelled, options.Training.Resolved(), flop: 1).Dispose();
        });
    }

    private static string[] Folders() => [.. Directory.GetDirectories(Path.GetTempPath(), "tessera-bench-*").Order()];

    private sealed class Listener(Action<BenchmarkProgress> action) : IProgress<BenchmarkProgress>
    {
        public void Report(BenchmarkProgress value) => action(value);
    }
}
