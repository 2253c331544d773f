using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Training;

namespace Tessera.Tests.Runs;

/// <summary>A run at a constant rate, and copies of it that are finished with a falling one.</summary>
public sealed class FinishedRunTests(PackedShapes shapes) : IClassFixture<PackedShapes>, IDisposable
{
    private static readonly PretrainOptions Constant = PackedShapes.Options.WithTraining(t => t with
    {
        Schedule = ScheduleShape.Constant,
        Epochs = 50,
        WarmupEpochs = 0.5,
        EvaluateLimit = 2,
    });

    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(4, 3)] // at an epoch's end: 1 + 2
    [InlineData(6, 4)] // within the second, which is finished besides: 2 + 2
    public void Goes_On_From_The_Newest_Checkpoint_With_A_Rate_That_Falls_To_Zero(long step, int epochs)
    {
        var source = folder.File("source");
        TestRuns.TrainUntil(source, Constant, shapes.Images, step);
        var before = Contents(source);

        var (run, options) = PretrainRun.Finish(source, Constant, 2, folder.File("finished"), trainingPictures: 64);
        run.Dispose();
        var summary = TestRuns.Train(run.Folder, options, shapes.Images);

        options.Training.Epochs.ShouldBe(epochs);
        summary.Steps.ShouldBe(4 * epochs);
        Contents(source).ShouldBe(before);
        // 1 - √x of what is left, from the rate that the run had.
        var rates = TestRuns.Metrics(run.Folder).Select(l => l.Find(MetricsLog.LearningRate)).OfType<double>().ToList();
        var peak = Constant.Training.PeakLearningRate;
        rates.ShouldBe(Enumerable.Range(0, 4 * epochs).Select(s => s < 2 ? peak * (s + 1) / 2
            : s < step ? peak : peak * (1 - Math.Sqrt((s - step) / (4.0 * epochs - step)))), 1e-12);
    }

    [Fact]
    public void Can_Be_Stopped_And_Resumed_Like_Any_Run()
    {
        var source = folder.File("source");
        TestRuns.TrainUntil(source, Constant, shapes.Images, 5);
        var (whole, broken) = (Finished("whole"), Finished("broken"));

        TestRuns.Train(whole, Constant, shapes.Images);
        TestRuns.TrainUntil(broken, Constant, shapes.Images, 8);
        TestRuns.Train(broken, Constant, shapes.Images);

        TestRuns.HashOfResult(broken).ShouldBe(TestRuns.HashOfResult(whole));

        string Finished(string name)
        {
            var (run, _) = PretrainRun.Finish(source, Constant, 1, folder.File(name), trainingPictures: 64);
            run.Dispose();
            return run.Folder;
        }
    }

    [Fact]
    public void Leaves_The_Run_To_Go_On_As_If_Nothing_Had_Been()
    {
        var (alone, source) = (folder.File("alone"), folder.File("source"));
        var options = Constant.WithTraining(t => t with { Epochs = 3 });
        TestRuns.Train(alone, options, shapes.Images);
        TestRuns.TrainUntil(source, options, shapes.Images, 6);
        PretrainRun.Finish(source, options, 1, folder.File("finished"), trainingPictures: 64).Run.Dispose();

        TestRuns.Train(source, options, shapes.Images);

        TestRuns.HashOfResult(source).ShouldBe(TestRuns.HashOfResult(alone));
    }

    [Fact]
    public void Never_Begins_Anew_Where_The_Copy_Lost_Its_Checkpoint()
    {
        var source = folder.File("source");
        TestRuns.TrainUntil(source, Constant, shapes.Images, 4);
        var (run, options) = PretrainRun.Finish(source, Constant, 1, folder.File("finished"), trainingPictures: 64);
        run.Dispose();
        Directory.Delete(Path.Combine(run.Folder, "checkpoints"), recursive: true);
        Should.Throw<RunDirectoryException>(() => TestRuns.Train(run.Folder, options, shapes.Images)).Message
            .ShouldBe($"{run.Folder} was to be a finished copy of a run, and has no checkpoint to go on from: finish the run again, in another folder.");
    }

    [Fact]
    public void Refuses_A_Run_Whose_Rate_Falls_By_Itself_Or_That_Has_Not_Begun()
    {
        var fault = Should.Throw<OptionsException>(() => PretrainRun.Finish("here", PackedShapes.Options, 2, folder.File("x"), 64));
        fault.Message.ShouldBe("The rate of the run in here falls by itself: only a run at a constant rate is finished in a copy.");
        fault.Options.ShouldBe(["Training.Schedule"]);
        Should.Throw<OptionsException>(() => PretrainRun.Finish("here", Constant, 0, folder.File("x"), 64))
            .Message.ShouldBe("The number of epochs to finish in is 0: it must be at least 1.");
        var source = folder.File("source");
        PretrainRun.Begin(source, Constant).Run.Dispose();
        Should.Throw<RunDirectoryException>(() => PretrainRun.Finish(source, Constant, 2, folder.File("x"), 64))
            .Message.ShouldBe($"The run in {source} has no checkpoint yet: there is nothing to finish.");
        Directory.Exists(folder.File("x")).ShouldBeFalse();
    }

    private static Dictionary<string, string> Contents(string run) => Directory.EnumerateFiles(run, "*", SearchOption.AllDirectories)
        .ToDictionary(f => f, f => Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(f))));
}
