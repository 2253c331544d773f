using System.Text.Json;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Tests.Runs;

public sealed class PretrainingTests(PackedShapes shapes) : IClassFixture<PackedShapes>, IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Leaves_A_Whole_Run_Directory()
    {
        var run = folder.File("run");
        var reports = new List<TrainingProgress>();

        var summary = TestRuns.Train(run, PackedShapes.Options, shapes.Images, reports.Add);

        var files = Directory.EnumerateFiles(run, "*", SearchOption.AllDirectories).Select(f => Path.GetRelativePath(run, f)).ToList();
        files.Where(f => !f.Contains("tfevents")).Order(StringComparer.Ordinal).ShouldBe(
        [
            "checkpoints/last.safetensors", "checkpoints/step-000000004.safetensors", "checkpoints/step-000000008.safetensors", "curves.png", "metrics.jsonl",
            "model.safetensors", "options.json", "reconstructions/epoch-0001.png", "reconstructions/epoch-0002.png", "summary.json",
        ]);
        files.Count(f => f.StartsWith("events.out.tfevents", StringComparison.Ordinal)).ShouldBe(1);
        foreach (var file in files) new FileInfo(Path.Combine(run, file)).Length.ShouldBeGreaterThan(0);

        summary.TrainingPictures.ShouldBe(64);
        summary.HeldOutPictures.ShouldBe(6);
        summary.Steps.ShouldBe(8);
        summary.HeldOut.Pictures.ShouldBe(6);
        TestRuns.Metrics(run)[^1].Find("held-out/PSNR").ShouldBe(summary.HeldOut.Model.Psnr);
        File.ReadAllText(Path.Combine(run, "summary.json")).ShouldBe(JsonSerializer.Serialize(summary, TesseraJson.Options) + "\n");

        reports.Where(r => r.IsLogStep).Select(r => r.Step).ShouldBe(Enumerable.Range(1, 8).Select(s => (long)s));
        reports.ShouldAllBe(r => r.Steps == 8 && r.Epochs == 2);
        reports.Select(r => r.Evaluating).OfType<EvaluationProgress>().TakeLast(4).ShouldBe(
            [new("reconstructions", 0, 6), new("reconstructions", 6, 6), new("features", 0, 5), new("features", 5, 5)]);
    }

    [Theory]
    [InlineData(MaskPlacement.Encoder)]
    [InlineData(MaskPlacement.Decoder)]
    public void Learns_What_No_Filling_Can_Know(MaskPlacement placement)
    {
        using var images = PackedImages.Pack(
            new Waves(), new ImageShape(3, 32, 32), folder.File("waves.tessera"), cancellation: TestContext.Current.CancellationToken);
        var run = folder.File("run");
        var options = PackedShapes.Options.WithObjective(o => o with { Placement = placement }).WithTraining(t => t with { Epochs = 5, LearningRate = 5e-2 }).WithAugmentation(a => a with { SmallestCrop = 1, Flip = false });

        var summary = TestRuns.Train(run, options, images);

        summary.HeldOut.Model.Psnr.ShouldBeGreaterThan(summary.HeldOut.InverseDistance.Psnr + 3);
        summary.HeldOut.Model.Psnr.ShouldBeGreaterThan(summary.HeldOut.VisibleMean.Psnr + 3);
        summary.HeldOut.Model.Ssim.ShouldBeGreaterThan(summary.HeldOut.InverseDistance.Ssim);
        var lines = TestRuns.Metrics(run);
        var losses = lines.Select(l => l.Find("train/loss")).OfType<double>().ToList();
        losses.TakeLast(4).Average().ShouldBeLessThan(0.5 * losses.Take(4).Average());
        lines.Select(l => l.Find("held-out/PSNR, inverse distance")).OfType<double>().Distinct().Count().ShouldBe(1); // the same masks each time
    }

    [Theory]
    [InlineData(MaskPlacement.Encoder, PositionEmbedding.Learned, true, "grid", ReconstructionTarget.NormalizedPixels, LossPlaces.All)]
    [InlineData(MaskPlacement.Decoder, PositionEmbedding.SinCos, false, "block", ReconstructionTarget.Pixels, LossPlaces.Masked)]
    public void Trains_Grey_Oblong_Pictures_With_Large_Mask_Units(
        MaskPlacement placement, PositionEmbedding positions, bool classToken, string masking, ReconstructionTarget target, LossPlaces lossOn)
    {
        using var images = PackedImages.OpenOrPack("shapes:20", new ImageShape(1, 32, 64), folder.Path, cancellation: TestContext.Current.CancellationToken);
        var options = PackedShapes.Options.WithData(d => d with { Channels = 1, ImageSize = "32x64" }).WithObjective(o => o with { Placement = placement, MaskTokens = 1, Target = target, LossOn = lossOn, Mask = o.Mask with { Masking = masking, Unit = 16 } }).WithEncoder(e => e with { Positions = positions, ClassToken = classToken }).WithTraining(t => t with { Clip = null, Epochs = 1 });
        var summary = TestRuns.Train(folder.File("run"), options, images);
        summary.HeldOut.UsesTrueStatistics.ShouldBe(target == ReconstructionTarget.NormalizedPixels);
        double.IsFinite(summary.HeldOut.Loss).ShouldBeTrue();
        using var loaded = ModelFile.Load(folder.File("run"));
        loaded.Model.Options.ShouldBe(options.ToModel());
    }

    [Fact]
    public void Ends_Well_On_Pictures_Without_Any_Pattern()
    {
        // Nothing is easier to fill: the error may be zero, the PSNR infinite, and the pixels' deviation is zero.
        using var images = PackedImages.Pack(
            new PlainPictures(), new ImageShape(3, 32, 32), folder.File("plain.tessera"), cancellation: TestContext.Current.CancellationToken);
        var run = folder.File("run");

        var summary = TestRuns.Train(run, PackedShapes.Options.WithTraining(t => t with { BatchSize = 4 }), images);

        summary.HeldOut.VisibleMean.Psnr.ShouldBeGreaterThan(100);
        TestRuns.Evaluations(run).Count.ShouldBe(2);
        File.Exists(Path.Combine(run, "curves.png")).ShouldBeTrue();
    }

    [Fact]
    public void Stops_At_A_Loss_That_Is_Not_Finite_And_A_New_Run_Begins_From_The_Last_Good_Checkpoint()
    {
        var run = folder.File("run");
        TestRuns.TrainUntil(run, PackedShapes.Options, shapes.Images, 4); // a good epoch,
        var ruinous = PackedShapes.Options.WithTraining(t => t with { LearningRate = 1e22, Clip = null });
        using (var begun = PretrainRun.Open(run).Run) begun.WriteOptions(ruinous); // and then a rate that ruins all

        var message = Should.Throw<TrainingDivergedException>(() => TestRuns.Train(run, ruinous, shapes.Images)).Message;

        var checkpoint = RunDirectory.NewestCheckpoint(run)!;
        checkpoint.ShouldEndWith("step-000000004.safetensors");
        var rate = ruinous.Training.ScheduleOf(stepsPerEpoch: 4).At(5);
        message.ShouldMatch("^The loss is (NaN|∞|Infinity) at step 6, ");
        message.ShouldEndWith($" at step 6, at a learning rate of {rate:g3}: try a lower learning rate, a longer warm-up, or clipping at 1. "
            + $"The last good checkpoint is {checkpoint}: a new run can begin from it.");
        TestRuns.Metrics(run).Where(l => !l.IsEvaluation).Select(l => l.Step).ShouldBe([1L, 2, 3, 4, 5]);

        // What it advises can be done, and begins where the good epoch ended.
        var fresh = TestRuns.Train(folder.File("fresh"), PackedShapes.Options, shapes.Images);
        var advised = TestRuns.Train(folder.File("advised"), PackedShapes.Options with { Init = checkpoint }, shapes.Images);
        advised.HeldOut.Loss.ShouldBeLessThan(fresh.HeldOut.Loss);
    }

    [Theory]
    [InlineData(16, 1e300, "The weights are no longer finite at step 1, ")] // the step itself overflows
    [InlineData(64, 1e22, "The held-out/loss is NaN at step 1, ")] // finite weights that restore nothing, at an epoch's end
    public void Never_Keeps_A_Checkpoint_Of_Ruined_Weights(int batchSize, double learningRate, string start)
    {
        var run = folder.File("run");
        var options = PackedShapes.Options.WithTraining(t => t with { BatchSize = batchSize, LearningRate = learningRate, WarmupEpochs = 0, CheckpointSteps = 1, Clip = null });
        var message = Should.Throw<TrainingDivergedException>(() => TestRuns.Train(run, options, shapes.Images)).Message;
        message.ShouldStartWith(start);
        message.ShouldEndWith("or clipping at 1. There is no checkpoint yet.");
        RunDirectory.NewestCheckpoint(run).ShouldBeNull();
    }

    [Fact]
    public void Refuses_A_Batch_Larger_Than_The_Set()
    {
        Fault(PackedShapes.Options.WithTraining(t => t with { BatchSize = 65 }))
            .ShouldBe("A batch of 65 is more than the 64 training pictures: use batches of 64 or less.");
        Fault(PackedShapes.Options.WithTraining(t => t with { BatchSize = 30, Accumulate = 3 }))
            .ShouldBe("3 batches of 30 are more than the 64 training pictures: use batches of 21 or less.");
        Fault(PackedShapes.Options.WithTraining(t => t with { BatchSize = 1, Accumulate = 65 }))
            .ShouldBe("65 batches of 1 are more than the 64 training pictures: accumulate 64 or less.");
        Fault(PackedShapes.Options.WithData(d => d with { Limit = 10 }))
            .ShouldBe("A batch of 16 is more than the 10 training pictures: use batches of 10 or less.");
        Fault(PackedShapes.Options.WithData(d => d with { ImageSize = "32x64", Channels = 1 }).WithTraining(t => t with { BatchSize = 65 }))
            .ShouldBe("The pictures have 3 channels at 32x32, and the options ask for 1 at 32x64; "
                + "a batch of 65 is more than the 64 training pictures: use batches of 64 or less.");

        string Fault(PretrainOptions options) =>
            Should.Throw<OptionsException>(() => Pretraining.CheckedSplit(options, shapes.Images)).Message;
    }

    [Fact]
    public void Says_Which_File_Cannot_Be_Written_And_Where_To_Go_On()
    {
        var run = folder.File("run");
        var exception = Should.Throw<RunDirectoryException>(() => TestRuns.Train(run, PackedShapes.Options, shapes.Images, progress =>
        {
            // Something stands where the second checkpoint shall be.
            if (progress.Step == 5) Directory.CreateDirectory(Path.Combine(run, "checkpoints", "step-000000008.safetensors"));
        }));
        exception.Message.ShouldStartWith(Path.Combine(run, "checkpoints", "step-000000008.safetensors") + " cannot be written: ");
        exception.Message.ShouldEndWith($". The last good checkpoint is {Path.Combine(run, "checkpoints", "step-000000004.safetensors")}; the run can go on from it.");
    }

    [Fact]
    public void Refuses_A_Folder_That_Holds_A_Run_Or_Cannot_Be_Made()
    {
        var run = folder.File("run");
        PretrainRun.Begin(run, new()).Run.Dispose();
        Should.Throw<RunDirectoryException>(() => PretrainRun.Begin(run, new()))
            .Message.ShouldBe($"{run} holds a run already: go on with it, or choose another folder.");
        var below = Path.Combine(folder.File("file", [1]), "run");
        Should.Throw<RunDirectoryException>(() => PretrainRun.Begin(below, new())).Message.ShouldStartWith($"{below} cannot be written: ");
        Should.Throw<RunDirectoryException>(() => PretrainRun.Open(folder.Path))
            .Message.ShouldBe($"{folder.Path} is not a run directory: it has no options.json.");
    }

    private static ImageEntry[] Entries(int count, int testCount = 0) =>
        [.. Enumerable.Range(0, count + testCount).Select(i => new ImageEntry($"{i}", -1, i >= count))];

    private sealed class PlainPictures() : ImageSource("plain", "plain", [], [], Entries(12), "plain-12")
    {
        public override void Read(int index, ImageShape shape, Span<byte> planar) => planar[..shape.Pixels].Clear();

        public override ImageFacts Examine(int index) => new(32, 32, 3, "plain");
    }

    /// <summary>Waves one patch long: the eye sees at once how they go on, and no average does.</summary>
    private sealed class Waves() : ImageSource("waves", "waves", [], [], Entries(128, 8), "waves-136")
    {
        public override void Read(int index, ImageShape shape, Span<byte> planar)
        {
            for (var i = 0; i < shape.Pixels; i++) planar[i] = (byte)(128 + 100 * Math.Cos(2 * Math.PI * (i / shape.Width) / 8));
        }

        public override ImageFacts Examine(int index) => new(32, 32, 3, "drawn");
    }
}
