using Tessera.Cli.Tests.Fixtures;

namespace Tessera.Cli.Tests;

/// <summary>Work that fails: exit code 1, one line that says why and what to do, and nothing lost.</summary>
public sealed class FailureTests(TrainedRun run) : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void No_Such_Folder() => Pretrain(folder["nowhere"]).ShouldFail(
        1, $"There is no folder or file {folder["nowhere"]}: name a folder of pictures, a .tessera file, tar shards, Parquet files, or shapes.");

    [Fact]
    public void A_Folder_Without_Pictures()
    {
        folder.Write("words.txt", "words");

        Pretrain(folder.Path).ShouldFail(1, $"{folder.Path} holds no pictures (jpg, jpeg, png, webp, bmp, gif, .tar shards, Parquet or CIFAR's files): name the folder that holds them.");
    }

    [Theory]
    [InlineData()]
    [InlineData("--no-pack")]
    public void A_Folder_Of_Broken_Pictures(params string[] more)
    {
        var pictures = folder.Folder("pictures");
        folder.Write("pictures/a.jpg", "no picture");
        folder.Write("pictures/b.png", "");

        Pretrain(pictures, output: null, more).ShouldFail(
            1, $"Not one of the 2 training pictures of {pictures} can be read: a.jpg is not a picture that can be read (JPEG, PNG, WebP, BMP or GIF); b.png is empty.");
    }

    [Fact]
    public void A_File_In_Place_Of_The_Run_Directory()
    {
        var file = folder.Write("file", "mine");

        Pretrain(TrainedRun.Data, file).ShouldFail(1, $"{file} is a file: choose another folder (--out).");
        File.ReadAllText(file).ShouldBe("mine");
    }

    [Fact]
    public void A_Run_Directory_That_Holds_A_Run()
    {
        var before = File.ReadAllBytes(Path.Join(run.Folder, "model.safetensors"));

        Pretrain(TrainedRun.Data, run.Folder).ShouldFail(
            1, $"{run.Folder} holds a run already: go on with it, or choose another folder (--resume, --out).");
        File.ReadAllBytes(Path.Join(run.Folder, "model.safetensors")).ShouldBe(before);
    }

    [Fact]
    public void A_Run_Directory_That_Cannot_Be_Made()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has a folder that nobody may write.");

        var outcome = Pretrain(TrainedRun.Data, "/proc/run");

        outcome.LastError.ShouldStartWith("tessera: /proc/run cannot be written: ");
        outcome.Code.ShouldBe(1);
    }

    [Fact]
    public void Resuming_What_Is_No_Run() =>
        CommandLine.Run("pretrain", "--resume", folder.Path).ShouldFail(1, $"{folder.Path} is not a run directory: it has no options.json.");

    [Fact]
    public void A_Checkpoint_Cut_Short_Leaves_The_One_Before_It()
    {
        var copy = run.CopyTo(folder);
        var newest = Path.Join(copy, "checkpoints", "step-000000010.safetensors");
        using (var file = File.OpenWrite(newest)) file.SetLength(file.Length / 2);

        var outcome = CommandLine.Run("pretrain", "--resume", copy, "--cache", run.Cache);
        File.Delete(newest);
        var resumed = CommandLine.Run("pretrain", "--resume", copy, "--cache", run.Cache).ShouldBeDone();

        outcome.LastError.ShouldStartWith($"tessera: The checkpoint {newest} is damaged: ");
        outcome.LastError.ShouldEndWith("Remove it to go on from the one before it.");
        outcome.Code.ShouldBe(1);
        resumed.Error.ShouldContain("going on from step 5\n");
    }

    [Fact]
    public void Diverging_Says_What_To_Try()
    {
        var outcome = CommandLine.Run(
            ["pretrain", "--data", TrainedRun.Data, "--out", folder["run"], "--cache", run.Cache, .. TrainedRun.Small, "--learning-rate", "1e6"]);

        outcome.LastError.ShouldStartWith("tessera: The loss is NaN at step ");
        outcome.LastError.ShouldContain("try a lower learning rate, a longer warm-up, or clipping at 1. ");
        outcome.LastError.ShouldEndWith("There is no checkpoint yet (--learning-rate, --warmup-epochs, --clip).");
        outcome.Code.ShouldBe(1);
    }

    [Theory]
    [InlineData("info")]
    [InlineData("reconstruct x.jpg -m")]
    [InlineData("evaluate reconstruction --data shapes:20 -m")]
    [InlineData("evaluate knn --data shapes:20 -m")]
    [InlineData("evaluate linear --data shapes:20 -m")]
    public void A_Model_That_Is_No_Model(string verb)
    {
        var words = folder.Write("model.safetensors", "words");

        CommandLine.Run([.. verb.Split(' '), words]).ShouldFail(
            1, $"{words} cannot be read as safetensors: it has 5 bytes, fewer than the 8 that give the header's length.");
        CommandLine.Run([.. verb.Split(' '), folder["nowhere"]]).ShouldFail(
            1, $"There is no model at {folder["nowhere"]}: give a run directory, or a .safetensors or PyTorch file.");
    }

    [Theory]
    [InlineData("knn")]
    [InlineData("linear")]
    public void Pictures_Without_Labels_Where_Classes_Are_Asked_For(string judge)
    {
        Pictures.Mixed(folder.Path);

        CommandLine.Run("evaluate", judge, "--model", run.Folder, "--data", folder.Path, "--cache", run.Cache).ShouldFail(
            1, $"The training pictures of {folder.Path} have no labels, by which an encoder is judged: give pictures in one folder per class.");
    }

    [Fact]
    public void Too_Few_Pictures_To_Choose_A_Weight_Decay_By() =>
        CommandLine.Run("evaluate", "linear", "--model", run.Folder, "--data", TrainedRun.Data, "--cache", run.Cache, "--limit", "1").LastError.ShouldMatch(
            "^tessera: Of 1 labelled training pictures [01] are of the development split: .*: take more pictures \\(--limit\\).$");

    [Fact]
    public void A_Picture_That_Is_No_Picture()
    {
        var words = folder.Write("words.jpg", "words");

        CommandLine.Run("reconstruct", "--model", run.Folder, words, "-o", folder["x.png"]).ShouldFail(
            1, $"Not one picture could be read: {words} is not a picture that can be read (JPEG, PNG, WebP, BMP or GIF).");
        File.Exists(folder["x.png"]).ShouldBeFalse();
    }

    [Fact]
    public void A_Mistyped_Picture_Among_Others_Is_Named_And_The_Others_Are_Done()
    {
        Pictures.Mixed(folder.Path);
        var pictures = Directory.GetFiles(folder.Path).Order().Take(2).ToArray();

        var outcome = CommandLine.Run("reconstruct", "--model", run.Folder, pictures[0], folder["mistyped.jpg"], pictures[1], "-o", folder["drawn.png"]);

        outcome.Error.ShouldContain($"1 broken picture left out:\n  {folder["mistyped.jpg"]} is not there: put it back, ");
        outcome.Output.ShouldBe($"2 restored: {folder["drawn.png"]}\n");
        outcome.Code.ShouldBe(1);
        File.Exists(folder["drawn.png"]).ShouldBeTrue();
    }

    [Fact]
    public void Shows_Where_When_Asked()
    {
        var outcome = CommandLine.Run("info", folder["nowhere"], "--verbose");

        outcome.Error.ShouldStartWith("tessera: There is no model at ");
        outcome.Error.ShouldContain("   at Tessera.");
    }

    private Outcome Pretrain(string data, string? output = null, params string[] more) => CommandLine.Run(
        ["pretrain", "--data", data, "--out", output ?? folder["run"], "--cache", run.Cache, .. TrainedRun.Small, "--epochs", "1", .. more]);
}
