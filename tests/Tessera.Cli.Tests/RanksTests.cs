using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Tessera.Cli.Tests.Fixtures;

namespace Tessera.Cli.Tests;

/// <summary>Two processes that MPI brings together train one model. What is the same in threads is tested beside the library.</summary>
public sealed partial class RanksTests(TrainedRun run) : IDisposable
{
    private const string OpenMpi = "mpirun.openmpi", Mpich = "mpiexec.mpich";
    private const int Kill = 9, User1 = 10, Terminate = 15; // as kill -l numbers them
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(OpenMpi)]
    [InlineData(Mpich)]
    public void Two_Ranks_Have_The_Losses_Of_One_And_A_Run_Goes_On_With_Either_Number(string name)
    {
        var launcher = MpiLauncher.Of(name);
        TesseraProcess.Run(Pretrain("whole", "--epochs", "3")).ShouldBeDone();
        TesseraProcess.Run(Pretrain("moved", "--epochs", "1")).ShouldBeDone();
        using (var two = launcher.StartTwo(["pretrain", "--resume", folder["moved"], "--epochs", "2", "--cache", run.Cache]))
        {
            var outcome = two.Finish().ShouldBeDone();
            outcome.Error.ShouldContain("2 ranks on 1 host (");
            Regex.Count(outcome.Error, "^going on from step", RegexOptions.Multiline).ShouldBe(1, outcome.Error); // one speaks for both
        }
        TesseraProcess.Run(["pretrain", "--resume", folder["moved"], "--epochs", "3", "--cache", run.Cache]).ShouldBeDone();

        var (whole, moved) = (Losses("whole"), Losses("moved"));
        moved.Count.ShouldBe(whole.Count);
        foreach (var (a, b) in whole.Zip(moved)) b.ShouldBe(a, 1e-4 * a);
        JsonDocument.Parse(File.ReadAllText(folder["moved/options.json"])).RootElement.GetProperty("training").GetProperty("ranks").GetInt32().ShouldBe(1);
    }

    [Fact]
    public void A_Rank_That_Is_Killed_Ends_All_In_A_Line_And_The_Checkpoint_Stands()
    {
        using var ranks = MpiLauncher.Of(OpenMpi).StartTwo(Pretrain("run", "--epochs", "400", "--checkpoint-steps", "1"));
        ranks.WaitFor("epoch 1/400");
        WaitForCheckpoint();

        TesseraProcess.Signal(MpiLauncher.ProcessOf("OMPI_COMM_WORLD_RANK=1", folder["run"]), Kill);
        var outcome = ranks.Finish();

        outcome.Code.ShouldNotBe(0);
        var told = outcome.Error.Split('\n').Where(l => l.StartsWith("tessera: ", StringComparison.Ordinal)).ShouldHaveSingleItem();
        Lost().IsMatch(told).ShouldBeTrue(told);
        Directory.GetFiles(folder["run/checkpoints"], "step-*.safetensors").ShouldNotBeEmpty();
        TesseraProcess.Run(["info", folder["run"]]).ShouldBeDone();
    }

    [Fact]
    public void Ranks_Of_Other_Options_Are_Refused_With_What_Differs()
    {
        using var ranks = MpiLauncher.Of(OpenMpi).Start(Pretrain("run", "--epochs", "2"), Pretrain("run", "--epochs", "3"));

        var outcome = ranks.Finish();

        outcome.Code.ShouldNotBe(0);
        var host = Environment.MachineName;
        outcome.Error.Split('\n').Where(l => l.StartsWith("tessera: ", StringComparison.Ordinal)).ShouldHaveSingleItem()
            .ShouldBe($"tessera: rank 1 on {host} differs from rank 0 on {host} in its options: training.epochs is 3 and not 2. All ranks must be started alike.");
        Directory.Exists(folder["run"]).ShouldBeFalse();
    }

    [Fact]
    public void A_Launcher_Passes_The_Wish_For_A_Checkpoint_On_And_The_Run_Goes_On()
    {
        using var ranks = MpiLauncher.Of(OpenMpi).StartTwo(Pretrain("run", "--epochs", "400", "--checkpoint-steps", "100000"));
        ranks.WaitFor("epoch 1/400");

        ranks.Signal(User1);
        WaitForCheckpoint();
        ranks.HasExited.ShouldBeFalse();
        ranks.Signal(Terminate);

        ranks.Finish().Error.ShouldContain("stopping; a second Ctrl-C stops at once");
    }

    [Fact]
    public void A_Library_That_Is_Not_The_Launchers_Is_Refused()
    {
        MpiLauncher.Of(OpenMpi);
        MpiLauncher.Of(Mpich);
        (string, string)[] ofOpenMpi = [("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "2")];

        TesseraProcess.Run(Pretrain("run", "--epochs", "1"), [.. ofOpenMpi, ("TESSERA_MPI", "libmpich.so.12")]).LastError
            .ShouldStartWith("tessera: libmpich.so.12 is 'MPICH Version:");
        TesseraProcess.Run(Pretrain("run", "--epochs", "1"), [.. ofOpenMpi, ("TESSERA_MPI", "/nowhere/libmpi.so")]).LastError
            .ShouldBe("tessera: TESSERA_MPI names /nowhere/libmpi.so, which does not load: set it to Open MPI's library, or unset it.");
        TesseraProcess.Run(Pretrain("run", "--epochs", "1"), [.. ofOpenMpi, ("TESSERA_MPI", "libc.so.6")]).LastError
            .ShouldBe("tessera: libc.so.6 is no MPI library: install Open MPI's library, or set TESSERA_MPI to its file.");
        Directory.Exists(folder["run"]).ShouldBeFalse();
    }

    [Fact]
    public void Without_A_Launcher_Nothing_Of_Mpi_Is_Loaded()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Linux tells which libraries a process has.");
        using var process = new TesseraProcess(Pretrain("run", "--epochs", "400"));
        process.WaitFor("epoch 1/400");

        process.MappedFiles().ShouldNotContain(file => file.Contains("libmpi", StringComparison.Ordinal));
        process.Kill();
    }

    private void WaitForCheckpoint()
    {
        while (Directory.GetFiles(folder["run/checkpoints"], "step-*.safetensors").Length == 0) TestContext.Current.CancellationToken.WaitHandle.WaitOne(20);
    }

    private string[] Pretrain(string name, params string[] more) =>
    [
        "pretrain", "--data", "shapes:64", "--cache", run.Cache, "--out", folder[name], "--model", "vit-micro", "--image-size", "32", "--batch-size", "16", "--schedule", "constant",
        "--warmup-epochs", "0.5", "--precision", "fp32", "--workers", "1", "--log-steps", "1", "--evaluate-every", "400", .. more,
    ];

    private List<double> Losses(string name) =>
        [.. File.ReadLines(folder[$"{name}/metrics.jsonl"]).Select(l => Loss().Match(l)).Where(m => m.Success).Select(m => double.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture))];

    [GeneratedRegex("\"train/loss\",\"value\":([0-9.e+-]+)")]
    private static partial Regex Loss();

    [GeneratedRegex(@"^tessera: rank 1 on \S+ was lost at step \d+: it ended, or cannot be reached any more\. The run's last checkpoint stands: go on from it, with any number of ranks\.$")]
    private static partial Regex Lost();
}
