using Tessera.Cli.Tests.Fixtures;

namespace Tessera.Cli.Tests;

/// <summary>What shows only in a process of its own: signals, and which libraries are loaded.</summary>
public sealed class ProcessTests(TrainedRun run) : IDisposable
{
    private const int Interrupt = 2, Terminate = 15; // as kill -l numbers them
    private const string Epochs = "8"; // long enough that no signal comes too late
    private static readonly (string, string) NoLibTorch = ("TESSERA_LIBTORCH", "/nowhere");
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Help_Version_And_Info_Do_Without_LibTorch()
    {
        TesseraProcess.Run(["--help"], NoLibTorch).ShouldBeDone();
        TesseraProcess.Run(["pretrain", "--help"], NoLibTorch).ShouldBeDone();
        TesseraProcess.Run(["--version"], NoLibTorch).ShouldBeDone();
        TesseraProcess.Run(["info", run.Folder], NoLibTorch).ShouldBeDone();
        TesseraProcess.Run(["data", "inspect", "shapes:5"], NoLibTorch).ShouldBeDone();

        // What needs libtorch fails under the same condition, so the condition is a test.
        var outcome = TesseraProcess.Run(["reconstruct", "--model", run.Folder, "x.jpg", "-o", folder["x.png"]], NoLibTorch);
        outcome.LastError.ShouldStartWith("tessera: TESSERA_LIBTORCH names /nowhere, which is not a folder");
        outcome.Code.ShouldBe(1);
    }

    [Fact]
    public void A_Run_That_Was_Stopped_Ends_As_One_That_Was_Not()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such signals.");
        var whole = TesseraProcess.Run(Pretrain("whole")).ShouldBeDone();

        foreach (var signal in new[] { Interrupt, Terminate })
        {
            var stopped = $"stopped-{signal}";
            var outcome = Stop(stopped, process => process.Signal(signal));

            outcome.LastError.ShouldBe($"tessera: interrupted; the run is saved. Go on with: tessera pretrain --resume {folder[stopped]}");
            outcome.Code.ShouldBe(130);
            outcome.Output.ShouldBeEmpty();
            ShouldEndAs("whole", stopped);
        }
        Stop("killed", process => process.Kill()).Code.ShouldBe(137);
        ShouldEndAs("whole", "killed");
        whole.OutputLines.Length.ShouldBe(4);
    }

    private IEnumerable<string> Pretrain(string name) =>
        ["pretrain", "--data", TrainedRun.Data, "--out", folder[name], "--cache", run.Cache, .. TrainedRun.Small, "--epochs", Epochs];

    /// <summary>Begins a run and does something to it when its first epoch is over.</summary>
    private Outcome Stop(string name, Action<TesseraProcess> how)
    {
        using var process = new TesseraProcess(Pretrain(name));
        process.WaitFor("epoch 1/8: PSNR ");
        how(process);
        return process.Finish();
    }

    private void ShouldEndAs(string whole, string stopped)
    {
        var resumed = TesseraProcess.Run(["pretrain", "--resume", folder[stopped], "--cache", run.Cache]).ShouldBeDone();

        resumed.Error.ShouldContain("going on from step ");
        File.ReadAllBytes(folder[$"{stopped}/model.safetensors"]).ShouldBe(File.ReadAllBytes(folder[$"{whole}/model.safetensors"]));
    }
}
