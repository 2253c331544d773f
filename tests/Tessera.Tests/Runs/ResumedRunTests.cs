using Tessera.Masking;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Training;

namespace Tessera.Tests.Runs;

public sealed class ResumedRunTests(PackedShapes shapes) : IClassFixture<PackedShapes>, IDisposable
{
    private static readonly PretrainOptions Options = PackedShapes.Options.WithTraining(t => t with { CheckpointSteps = 3 });

    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(Teaching.Pixels, MaskPlacement.Encoder, Precision.Fp32, 1)]
    [InlineData(Teaching.Pixels, MaskPlacement.Encoder, Precision.Fp32, 2)] // within the first epoch
    [InlineData(Teaching.Pixels, MaskPlacement.Encoder, Precision.Fp32, 4)] // at its end
    [InlineData(Teaching.Pixels, MaskPlacement.Decoder, Precision.Fp32, 6)] // within the last one
    [InlineData(Teaching.Pixels, MaskPlacement.Decoder, Precision.Fp32, 8)] // at the end of the run, before its evaluation
    [InlineData(Teaching.Views, MaskPlacement.Encoder, Precision.Fp32, 4)]
    [InlineData(Teaching.Views, MaskPlacement.Decoder, Precision.Bf16, 6)]
    [InlineData(Teaching.PixelsAndViews, MaskPlacement.Encoder, Precision.Bf16, 2)]
    [InlineData(Teaching.PixelsAndViews, MaskPlacement.Decoder, Precision.Fp32, 8)]
    public void Ends_With_The_Same_Bytes_As_A_Run_That_Was_Never_Stopped(Teaching teaching, MaskPlacement placement, Precision precision, long step)
    {
        var options = Options.WithObjective(o => o with { Teaching = teaching, Placement = placement, Views = new() { LocalCrops = 1 } }).WithTraining(t => t with { Precision = precision });
        var (whole, broken) = (folder.File("whole"), folder.File("broken"));
        TestRuns.Train(whole, options, shapes.Images);

        TestRuns.TrainUntil(broken, options, shapes.Images, step);
        File.Exists(Path.Combine(broken, "model.safetensors")).ShouldBeFalse();
        TestRuns.Train(broken, options, shapes.Images);

        TestRuns.HashOfResult(broken).ShouldBe(TestRuns.HashOfResult(whole));
        ShouldHaveTheSameLastCheckpoint(broken, whole);
        ShouldHaveEachStepOnce(broken);
        ShouldMeasureTheSame(broken, whole);
    }

    [Theory]
    [InlineData(Teaching.Pixels)]
    [InlineData(Teaching.PixelsAndViews)]
    public void Ends_With_The_Same_Bytes_With_Accumulated_Batches_However_Often_It_Is_Stopped(Teaching teaching)
    {
        var options = Options.WithTraining(t => t with { Accumulate = 2, BatchSize = 8, Clip = null, EvaluateLimit = 3 })
            .WithObjective(o => o with { Teaching = teaching, Mask = o.Mask with { Masking = "block" } });
        var (whole, broken) = (folder.File("whole"), folder.File("broken"));
        TestRuns.Train(whole, options, shapes.Images);

        foreach (var step in new[] { 1, 2, 5 }) TestRuns.TrainUntil(broken, options, shapes.Images, step);
        TestRuns.Train(broken, options, shapes.Images);

        TestRuns.HashOfResult(broken).ShouldBe(TestRuns.HashOfResult(whole));
        ShouldHaveTheSameLastCheckpoint(broken, whole);
        ShouldHaveEachStepOnce(broken);
    }

    [Theory]
    [InlineData(2, null)] // before the first checkpoint
    [InlineData(5, null)] // two steps after one
    [InlineData(4, 0)] // in the evaluation of an epoch
    [InlineData(8, 6)] // after the last evaluation's pictures, before the result
    public void Goes_On_From_What_A_Kill_Leaves(int step, int? evaluating)
    {
        var (whole, killed) = (folder.File("whole"), folder.File("killed"));
        TestRuns.Train(whole, Options, shapes.Images, progress =>
        {
            if (progress.Step == step && progress.Evaluating?.Done == evaluating && !Directory.Exists(killed)) TestRuns.Copy(whole, killed);
        });
        // A kill can come in the middle of any write.
        Directory.CreateDirectory(Path.Combine(killed, "checkpoints"));
        File.WriteAllBytes(Path.Combine(killed, "checkpoints", $"step-{step + 1:D9}.safetensors.partial"), [1, 2, 3]);
        File.AppendAllText(Path.Combine(killed, "metrics.jsonl"), "{\"step\":9,\"ep");

        TestRuns.Train(killed, Options, shapes.Images);

        TestRuns.HashOfResult(killed).ShouldBe(TestRuns.HashOfResult(whole));
        ShouldHaveEachStepOnce(killed);
    }

    [Fact]
    public void Goes_On_From_The_Checkpoint_Before_When_The_Newest_Is_Removed()
    {
        var (whole, broken) = (folder.File("whole"), folder.File("broken"));
        TestRuns.Train(whole, Options, shapes.Images);
        TestRuns.TrainUntil(broken, Options, shapes.Images, 5);
        Checkpoints(broken).ShouldBe(["step-000000004.safetensors", "step-000000005.safetensors"]); // the last two are kept
        File.Delete(RunDirectory.NewestCheckpoint(broken)!);

        TestRuns.Train(broken, Options, shapes.Images);

        TestRuns.HashOfResult(broken).ShouldBe(TestRuns.HashOfResult(whole));
        ShouldHaveEachStepOnce(broken);
    }

    [Fact]
    public void Leaves_A_Finished_Run_As_It_Is()
    {
        var run = folder.File("run");
        var first = TestRuns.Train(run, Options, shapes.Images);
        var (hash, metrics) = (TestRuns.HashOfResult(run), File.ReadAllText(Path.Combine(run, "metrics.jsonl")));

        var second = TestRuns.Train(run, Options, shapes.Images);

        TestRuns.HashOfResult(run).ShouldBe(hash);
        File.ReadAllText(Path.Combine(run, "metrics.jsonl")).ShouldBe(metrics);
        second.HeldOut.ShouldBe(first.HeldOut);
    }

    /// <summary>What a finished run left is no result of the longer one: whoever asks for the run's model meanwhile gets its newest checkpoint.</summary>
    [Fact]
    public void A_Run_That_Is_Lengthened_Has_No_Result_Until_It_Ends_Again()
    {
        var constant = Options.WithTraining(t => t with { Schedule = ScheduleShape.Constant, WarmupEpochs = 0.5, Epochs = 1 });
        var longer = constant.WithTraining(t => t with { Epochs = 2 });
        var (whole, run) = (folder.File("whole"), folder.File("run"));
        TestRuns.Train(whole, longer, shapes.Images);
        TestRuns.Train(run, constant, shapes.Images);
        var shorter = TestRuns.HashOfResult(run);
        var (opened, begun) = PretrainRun.Open(run);
        using (opened) opened.WriteOptions(PretrainRun.GoOn(begun, begun.WithTraining(t => t with { Epochs = 2 })).Options);

        TestRuns.TrainUntil(run, longer, shapes.Images, 6);

        File.Exists(Path.Combine(run, "model.safetensors")).ShouldBeFalse();
        using (var unfinished = Tessera.Weights.ModelFile.Load(run)) unfinished.Description.Training["step"].ShouldBe("6");
        TestRuns.Train(run, longer, shapes.Images);
        TestRuns.HashOfResult(run).ShouldBe(TestRuns.HashOfResult(whole));
        TestRuns.HashOfResult(run).ShouldNotBe(shorter);
    }

    [Fact]
    public void Finishes_A_Trained_Run_Whose_Log_Was_Lost()
    {
        var run = folder.File("run");
        var first = TestRuns.Train(run, Options, shapes.Images);
        File.Delete(Path.Combine(run, "metrics.jsonl"));

        var second = TestRuns.Train(run, Options, shapes.Images);

        second.HeldOut.ShouldBe(first.HeldOut);
        second.FinalLoss.ShouldBeNull();
    }

    [Fact]
    public void Says_Which_Checkpoint_Is_Damaged_And_What_To_Do()
    {
        var run = folder.File("run");
        TestRuns.TrainUntil(run, Options, shapes.Images, 5);
        var file = RunDirectory.NewestCheckpoint(run)!;
        using (var stream = new FileStream(file, FileMode.Open)) stream.SetLength(stream.Length - 5);

        var message = Should.Throw<RunDirectoryException>(() => TestRuns.Train(run, Options, shapes.Images)).Message;

        message.ShouldStartWith($"The checkpoint {file} is damaged: {file} cannot be read as safetensors: ");
        message.ShouldEndWith(". Remove it to go on from the one before it.");
    }

    [Fact]
    public void Says_When_A_Checkpoint_Is_Another_Kind_Of_File()
    {
        var run = folder.File("run");
        TestRuns.Train(run, Options, shapes.Images);
        var file = RunDirectory.NewestCheckpoint(run)!;
        File.Copy(Path.Combine(run, "model.safetensors"), file, overwrite: true);
        Should.Throw<RunDirectoryException>(() => TestRuns.Train(run, Options, shapes.Images)).Message
            .ShouldBe($"The checkpoint {file} is damaged: its metadata lacks 'tessera.step'. Remove it to go on from the one before it.");
    }

    [Fact]
    public void Refuses_To_Go_On_With_Other_Pictures()
    {
        var run = folder.File("run");
        TestRuns.TrainUntil(run, Options, shapes.Images, 1);
        using var others = Tessera.Imaging.PackedImages.OpenOrPack(
            "shapes:65", shapes.Images.Shape, folder.Path, cancellation: TestContext.Current.CancellationToken);
        Should.Throw<RunDirectoryException>(() => TestRuns.Train(run, Options, others)).Message
            .ShouldBe($"The pictures have changed since {RunDirectory.NewestCheckpoint(run)} was written, so the run cannot go on as it was: bring them back, or start a new run.");
    }

    [Fact]
    public void Loads_As_A_Model_From_A_Run_And_From_Its_Checkpoint()
    {
        var run = folder.File("run");
        TestRuns.TrainUntil(run, Options, shapes.Images, 2);
        var checkpoint = RunDirectory.NewestCheckpoint(run)!;
        using (var unfinished = Tessera.Weights.ModelFile.Load(run))
        {
            unfinished.File.ShouldBe(checkpoint);
            unfinished.Description.Training["step"].ShouldBe("2");
            Tessera.Weights.ModelInfo.Read(run).Parameters.ShouldBe(unfinished.Model.parameters().Sum(p => p.numel()));
        }
        TestRuns.Train(run, Options, shapes.Images);

        using var finished = Tessera.Weights.ModelFile.Load(run);
        using var last = Tessera.Weights.ModelFile.Load(RunDirectory.NewestCheckpoint(run)!);

        finished.File.ShouldBe(Path.Combine(run, "model.safetensors"));
        finished.Mask.ShouldBe(new MaskOptions());
        foreach (var (one, other) in finished.Model.parameters().Zip(last.Model.parameters())) other.ShouldEqual(one);
    }

    /// <summary>Bit for bit: with what the result leaves out, a projector and the optimiser's means.</summary>
    private static void ShouldHaveTheSameLastCheckpoint(string one, string other) =>
        File.ReadAllBytes(RunDirectory.NewestCheckpoint(one)!).AsSpan().SequenceEqual(File.ReadAllBytes(RunDirectory.NewestCheckpoint(other)!)).ShouldBeTrue();

    private static void ShouldMeasureTheSame(string one, string other) =>
        TestRuns.Evaluations(one).SelectMany(l => l.Metrics).ShouldBe(TestRuns.Evaluations(other).SelectMany(l => l.Metrics));

    private static IEnumerable<string?> Checkpoints(string run) =>
        Directory.EnumerateFiles(Path.Combine(run, "checkpoints"), "step-*").Select(Path.GetFileName).Order(StringComparer.Ordinal);

    private static void ShouldHaveEachStepOnce(string run)
    {
        var lines = TestRuns.Metrics(run);
        lines.Where(l => !l.IsEvaluation).Select(l => l.Step).ShouldBe(Enumerable.Range(1, 8).Select(s => (long)s));
        lines.Where(l => l.IsEvaluation).Select(l => l.Step).ShouldBe([4L, 8L]);
        File.ReadLines(Path.Combine(run, "metrics.jsonl")).Count().ShouldBe(10);
    }
}
