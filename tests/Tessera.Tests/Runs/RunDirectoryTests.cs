using Tessera.Runs;
using Tessera.Tests.Fixtures;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Tests.Runs;

public sealed class RunDirectoryTests(PackedShapes shapes) : IClassFixture<PackedShapes>, IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Lets_One_At_A_Time_Work_In_It()
    {
        var (run, _) = PretrainRun.Begin(folder.File("run"), PackedShapes.Options);
        using (run)
        {
            Should.Throw<RunDirectoryException>(() => PretrainRun.Open(run.Folder)).Message
                .ShouldBe($"Another process works in {run.Folder}: wait until it has ended, or choose another folder.");
        }
        PretrainRun.Open(run.Folder).Run.Dispose();
        File.Exists(Path.Combine(run.Folder, "run.lock")).ShouldBeFalse();
    }

    [Fact]
    public void Leaves_Nothing_Where_Its_Options_Cannot_Be_Written()
    {
        var place = folder.File("place");
        Should.Throw<NotSupportedException>(() => RunDirectory.Create(place, typeof(string))); // a type is nothing that JSON holds
        Directory.Exists(place).ShouldBeFalse();
        RunDirectory.RequireFree(place);
    }

    [Fact]
    public void Takes_No_Folder_That_Holds_Anothers_Checkpoints()
    {
        var place = folder.File("place");
        Directory.CreateDirectory(Path.Combine(place, "checkpoints"));
        RunDirectory.RequireFree(place); // a kill before the options were written leaves no more
        File.WriteAllText(Path.Combine(place, "checkpoints", "step-000000001.safetensors"), "");
        Should.Throw<RunDirectoryException>(() => PretrainRun.Begin(place, PackedShapes.Options)).Message
            .ShouldBe($"{place} holds what a run leaves (checkpoints), without its options: choose another folder.");
        Directory.Exists(Path.Combine(place, "checkpoints")).ShouldBeTrue();
    }

    [Fact]
    public void Is_Not_Locked_By_What_A_Kill_Left()
    {
        var (run, _) = PretrainRun.Begin(folder.File("run"), PackedShapes.Options);
        run.Dispose();
        File.WriteAllText(Path.Combine(run.Folder, "run.lock"), "");
        PretrainRun.Open(run.Folder).Run.Dispose();
    }

    [Fact]
    public void Ends_What_A_Kill_Broke_Off_Between_A_Checkpoint_And_Its_Promotion()
    {
        var run = folder.File("run");
        TestRuns.TrainUntil(run, PackedShapes.Options.WithTraining(t => t with { CheckpointSteps = 1 }), shapes.Images, 3);
        var (before, newest) = (RunDirectory.NewestCheckpoint(run)!, Path.Combine(run, "checkpoints", "step-000000008.safetensors"));
        File.Copy(before, newest);
        File.WriteAllBytes(Path.Combine(run, "checkpoints", "step-000000009.safetensors.partial"), [1, 2, 3]);
        File.CreateSymbolicLink(Path.Combine(run, "checkpoints", "last.safetensors.partial"), Path.GetFileName(newest));

        PretrainRun.Open(run).Run.Dispose();

        Directory.EnumerateFiles(Path.Combine(run, "checkpoints")).ShouldBe([Path.Combine(run, "checkpoints", "last.safetensors"), before, newest], ignoreOrder: true);
        new FileInfo(Path.Combine(run, "checkpoints", "last.safetensors")).LinkTarget.ShouldBe(Path.GetFileName(newest));
    }

    [Fact]
    public void Names_The_Newest_Checkpoint()
    {
        var run = folder.File("run");
        var names = new List<string?>();
        var last = Path.Combine(run, "checkpoints", "last.safetensors");
        TestRuns.Train(run, PackedShapes.Options.WithTraining(t => t with { CheckpointSteps = 3 }), shapes.Images, progress =>
        {
            if (progress is { IsLogStep: true, Step: 4 or 5 or 7 or 8 }) names.Add(new FileInfo(last).LinkTarget);
        });
        // A report comes before its step's checkpoint: after steps 3, 4, 6, and 6.
        names.ShouldBe(["step-000000003.safetensors", "step-000000004.safetensors", "step-000000006.safetensors", "step-000000006.safetensors"]);
        using var model = ModelFile.Load(last);
        using var same = ModelFile.Load(Path.Combine(run, "checkpoints", "step-000000008.safetensors"));
        foreach (var (one, other) in model.Model.parameters().Zip(same.Model.parameters())) other.ShouldEqual(one);
    }

    [Fact]
    public void Keeps_A_Checkpoint_When_So_Many_Minutes_Have_Passed()
    {
        var run = folder.File("run");
        var seen = new List<bool>();
        var options = PackedShapes.Options.WithTraining(t => t with { CheckpointSteps = 1000, CheckpointMinutes = 1e-9 });
        TestRuns.Train(run, options, shapes.Images, progress =>
        {
            if (progress is { IsLogStep: true, Step: 2 or 3 }) seen.Add(File.Exists(Path.Combine(run, "checkpoints", $"step-{progress.Step - 1:D9}.safetensors")));
        });
        seen.ShouldBe([true, true]);
    }

    [Fact]
    public void Holds_What_Auto_Came_To()
    {
        var (run, options) = PretrainRun.Begin(folder.File("run"), new PretrainOptions());
        run.Dispose();
        options.Training.Device.ShouldBe(TorchSharp.torch.cuda_is_available() ? "cuda:0" : "cpu");
        options.Training.Precision.ShouldNotBe(Tessera.Runtime.Precision.Auto);
        options.Training.Workers.ShouldBe(TorchSharp.torch.cuda_is_available() ? 1 : TorchSharp.torch.get_num_threads());
        var (again, read) = PretrainRun.Open(run.Folder);
        again.Dispose();
        read.ShouldBe(options);
    }

    [Fact]
    public void Goes_On_With_Other_Workers_And_Says_That_It_Is_No_Longer_The_Same()
    {
        var folderOfRun = folder.File("run");
        TestRuns.TrainUntil(folderOfRun, PackedShapes.Options, shapes.Images, 1);
        var begun = PretrainRun.ReadRunOptions(folderOfRun);
        PretrainRun.GoOn(begun, begun).ShouldBe((begun, true));
        PretrainRun.GoOn(begun, begun.WithTraining(t => t with { LogSteps = 9 })).IsSameMachine.ShouldBeTrue();
        var (options, isSame) = PretrainRun.GoOn(begun, begun.WithTraining(t => t with { Workers = 7 }));
        isSame.ShouldBeFalse();

        using (var run = PretrainRun.Open(folderOfRun).Run)
        using (new Pretraining(run, options, shapes.Images)) PretrainRun.ReadRunOptions(folderOfRun).ShouldBe(options);
    }

    [Fact]
    public void Keeps_Its_Options_Where_It_Cannot_Go_On_With_Others()
    {
        var folderOfRun = folder.File("run");
        TestRuns.TrainUntil(folderOfRun, PackedShapes.Options, shapes.Images, 1);
        var begun = PretrainRun.ReadRunOptions(folderOfRun);
        using var others = Tessera.Imaging.PackedImages.OpenOrPack(
            "shapes:65", shapes.Images.Shape, folder.Path, cancellation: TestContext.Current.CancellationToken);
        using (var run = PretrainRun.Open(folderOfRun).Run)
            Should.Throw<RunDirectoryException>(() => new Pretraining(run, begun.WithData(d => d with { Source = "shapes:65" }), others));
        PretrainRun.ReadRunOptions(folderOfRun).ShouldBe(begun);
    }

    [Fact]
    public void Leaves_Nothing_Where_A_New_Run_Cannot_Begin()
    {
        var (kept, made) = (folder.File("kept"), folder.File("made"));
        Directory.CreateDirectory(kept);
        File.WriteAllText(Path.Combine(kept, "mine.txt"), "mine");
        foreach (var place in new[] { kept, made })
        {
            Should.Throw<ModelFileException>(() => TestRuns.Train(place, PackedShapes.Options with { Init = folder.File("nowhere") }, shapes.Images));
            RunDirectory.RequireFree(place);
        }
        Directory.EnumerateFileSystemEntries(kept).Select(Path.GetFileName).ShouldBe(["mine.txt"]);
        Directory.Exists(made).ShouldBeFalse();
    }
}
