using System.Text;
using System.Text.Json;
using Tessera.Cli.Tests.Fixtures;

namespace Tessera.Cli.Tests;

/// <summary>What shows only in a process of its own: signals, and which libraries are loaded.</summary>
public sealed class ProcessTests(TrainedRun run) : IDisposable
{
    private const int HangUp = 1, Interrupt = 2, Terminate = 15; // as kill -l numbers them
    private const string Epochs = "16"; // long enough that no signal comes too late
    private static readonly (string, string) NoLibTorch = ("TESSERA_LIBTORCH", "/nowhere");
    private static readonly string[] LibTorchFiles = ["libc10.so", "libtorch.so", "libtorch_cpu.so"];
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
    public void Env_Says_What_Is_There_And_Why_Libtorch_Is_Not()
    {
        var there = TesseraProcess.Run(["env", "--cache", run.Cache]).ShouldBeDone();
        there.Output.ShouldContain($"cores usable");
        there.Output.ShouldContain("device     cpu, ");
        there.Output.ShouldContain($"cache      {run.Cache}: ");

        var missing = TesseraProcess.Run(["env", "--cache", folder["none"]], NoLibTorch);

        missing.Code.ShouldBe(1);
        missing.Output.ShouldContain("libtorch   does not load: TESSERA_LIBTORCH names /nowhere, which is not a folder");
        missing.Output.ShouldContain($"cache      {folder["none"]}: 0 files, 0 MB");
    }

    [Fact]
    public void Help_And_Version_Load_No_LibTorch()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Linux's loader alone tells what it loads.");
        string[][] light = [["--help"], ["pretrain", "--help"], ["--version"], ["data", "inspect", "shapes:5"], ["info", run.Folder], ["models"]];
        foreach (var arguments in light) Loaded(arguments).ShouldBeEmpty(string.Join(' ', arguments));
        Loaded(["reconstruct", "--model", run.Folder, "x.jpg", "-o", folder["x.png"]]).ShouldBe(LibTorchFiles, ignoreOrder: true);

        string[] Loaded(string[] arguments)
        {
            var log = Path.Join(folder[string.Join('-', arguments.Select(a => a.Replace('/', '-')))], "loader");
            Directory.CreateDirectory(Path.GetDirectoryName(log)!);
            TesseraProcess.Run(arguments, ("LD_DEBUG", "libs"), ("LD_DEBUG_OUTPUT", log));
            var logs = Directory.GetFiles(Path.GetDirectoryName(log)!);
            logs.ShouldNotBeEmpty();
            var lines = logs.SelectMany(File.ReadLines).Where(line => line.Contains("calling init: ", StringComparison.Ordinal)).ToList();
            return [.. LibTorchFiles.Where(file => lines.Any(line => line.EndsWith($"/{file}", StringComparison.Ordinal)))];
        }
    }

    [Fact]
    public void A_Run_That_Was_Stopped_Ends_As_One_That_Was_Not()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such signals.");
        var whole = TesseraProcess.Run(Pretrain("whole")).ShouldBeDone();

        foreach (var signal in new[] { HangUp, Interrupt, Terminate }.Where(s => !IsIgnored(s)))
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
        whole.OutputLines.Length.ShouldBe(5);
    }

    [Fact]
    public void LibTorch_Comes_From_The_Named_Folder_Alone()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Linux alone tells which files a process has mapped.");
        var program = CopyOfTheProgram();

        using var process = new TesseraProcess(program, Pretrain("named"), ("TESSERA_LIBTORCH", LibTorchFolder));
        process.WaitFor($"epoch 1/{Epochs}: PSNR ");
        var mapped = process.MappedFiles();
        process.Kill();

        var libTorch = mapped.Where(f => Path.GetFileName(f) is "libc10.so" or "libtorch.so" or "libtorch_cpu.so");
        libTorch.ShouldBe(LibTorchFiles.Select(f => Path.Join(LibTorchFolder, f)), ignoreOrder: true);
        mapped.ShouldContain(f => f.StartsWith(program, StringComparison.Ordinal)); // it is the copy that ran
    }

    [Fact]
    public void Refuses_A_LibTorch_That_Goes_By_Another_Name()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux's libraries carry a name of their own.");
        var library = File.ReadAllBytes(Path.Join(LibTorchFolder, "libc10.so"));
        for (int at; (at = library.AsSpan().IndexOf("libc10.so\0"u8)) >= 0;) "libc10.07"u8.CopyTo(library.AsSpan(at));
        File.WriteAllBytes(folder["libc10.so"], library);

        var outcome = TesseraProcess.Run(Pretrain("other"), ("TESSERA_LIBTORCH", folder.Path));

        outcome.LastError.ShouldStartWith($"tessera: {folder["libc10.so"]} does not load (it does not go by this name, but by another SONAME): TESSERA_LIBTORCH (");
        outcome.Code.ShouldBe(1);
    }

    [Fact]
    public void A_Function_That_LibTorch_Lacks_Fails_When_It_Is_Called_And_Not_Before()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The symbols are Linux's.");
        var program = ProgramThatNeeds("_ZN2at4_ops22upsample_nearest3d_vec4cal9ERKNS_6TensorEN3c1016OptionalArrayRefINS5_6SymIntEEESt8optionalINS5_8ArrayRefIdEEE"); // not called here

        using (var process = new TesseraProcess(program, ["env", "--json"], ("TESSERA_LIBTORCH", LibTorchFolder)))
        {
            var machine = JsonDocument.Parse(process.Finish().ShouldBeDone().OutputLines[^1]).RootElement.GetProperty("machine");
            machine.GetProperty("libTorchVersion").GetString().ShouldBe("2.10.0");
            machine.GetProperty("libTorchExpected").GetString().ShouldBe("2.10");
            machine.GetProperty("libTorchLacks").EnumerateArray().Select(f => f.GetString()).ShouldBe(
                ["at::_ops::upsample_nearest3d_vec::cal9(at::Tensor const&, c10::OptionalArrayRef<c10::SymInt>, std::optional<c10::ArrayRef<double> >)"]);
        }
        using (var process = new TesseraProcess(program, Pretrain("uncalled"), ("TESSERA_LIBTORCH", LibTorchFolder)))
        {
            process.Finish().ShouldBeDone();
        }

        ProgramThatNeeds("_ZN2at4_ops3bmm4cal9ERKNS_6TensorES4_"); // the product of attention
        using (var process = new TesseraProcess(program, Pretrain("called"), ("TESSERA_LIBTORCH", LibTorchFolder)))
        {
            var outcome = process.Finish();
            outcome.LastError.ShouldContain($"libtorch 2.10.0 ({LibTorchFolder}) lacks at::_ops::bmm::cal9(at::Tensor const&, at::Tensor const&), which TorchSharp 0.107.0 calls and libtorch 2.10 has: set TESSERA_LIBTORCH to a libtorch that has it.");
            outcome.Code.ShouldBe(1);
        }
    }

    [Fact]
    public void Refuses_A_LibTorch_That_Lacks_Data()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The symbols are Linux's.");
        var program = ProgramThatNeeds("_ZTIN5torch2nn11RNNCellIm9lE");

        using var process = new TesseraProcess(program, Pretrain("data"), ("TESSERA_LIBTORCH", LibTorchFolder));

        process.Finish().ShouldFail(
            1, $"{Binding(program)} does not load (libtorch 2.10.0 lacks typeinfo for torch::nn::RNNCellIm9l): "
            + $"TESSERA_LIBTORCH ({LibTorchFolder}) must hold libtorch 2.10, for which TorchSharp 0.107.0 is built, or a later one of the same major version.");
    }

    [Fact]
    public void Refuses_A_Folder_Beside_A_LibTorch_That_Would_Be_Loaded_Too()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The folder's name is Linux's.");
        var program = CopyOfTheProgram();
        var second = Path.Join(program, "runtimes", "linux-x64", "native", "libtorch_cpu.so");
        File.Copy(Path.Join(LibTorchFolder, "libc10.so"), second, overwrite: true);

        using var process = new TesseraProcess(program, Pretrain("two"), ("TESSERA_LIBTORCH", LibTorchFolder));

        process.Finish().ShouldFail(
            1, $"TESSERA_LIBTORCH names {LibTorchFolder}, but {second} would be loaded as well: take that libtorch out of the program, or unset TESSERA_LIBTORCH.");
    }

    [Fact]
    public void A_Run_Begun_With_Nohup_Outlives_Its_Terminal()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such signals.");
        using var process = TesseraProcess.WithoutHangUp(Pretrain("nohup"));
        process.WaitFor($"epoch 1/{Epochs}: PSNR ");
        process.Signal(HangUp);

        var outcome = process.Finish().ShouldBeDone();

        outcome.Error.ShouldContain($"epoch {Epochs}/{Epochs}: PSNR ");
    }

    /// <summary>The test is one of the two processes: it holds what a process holds that packs.</summary>
    [Fact]
    public void Of_Two_Processes_One_Packs_And_The_Other_Waits_And_Takes_What_It_Made()
    {
        TesseraProcess.Run(Packing(TrainedRun.Data, "first")).ShouldBeDone().Error.ShouldContain("packing: ");
        var pack = Directory.GetFiles(folder["cache"], "*.tessera").ShouldHaveSingleItem();
        var aside = pack + ".aside";
        File.Move(pack, aside);

        using var held = new FileStream(pack + ".lock", FileMode.CreateNew, FileAccess.Write, FileShare.None);
        using var waiting = new TesseraProcess(Packing(TrainedRun.Data, "second"));
        waiting.WaitFor("packing: waiting for another process that packs the same pictures");
        File.Move(aside, pack);
        var made = File.GetLastWriteTimeUtc(pack);
        held.Dispose();
        var outcome = waiting.Finish().ShouldBeDone();

        outcome.Error.ShouldContain($"(packed before: {pack})");
        outcome.Error.ShouldNotContain("packing: ");
        File.GetLastWriteTimeUtc(pack).ShouldBe(made);
        Directory.GetFiles(folder["cache"], "*.tessera*").ShouldBe([pack]);
    }

    [Fact]
    public void Who_Is_Killed_While_It_Packs_Keeps_Nobody_Waiting()
    {
        using (var killed = new TesseraProcess(Packing("shapes:60000", "killed")))
        {
            killed.WaitFor("packing: ");
            killed.Kill();
        }
        File.Exists(Directory.GetFiles(folder["cache"], "*.lock").ShouldHaveSingleItem()).ShouldBeTrue(); // the file is there, and nobody has it

        using var next = new TesseraProcess(Packing("shapes:60000", "next"));
        next.WaitFor("packing: 6"); // of 66000, the first tenth
    }

    private static string LibTorchFolder =>
        Path.GetDirectoryName(Directory.EnumerateFiles(AppContext.BaseDirectory, "libtorch_cpu.so", SearchOption.AllDirectories).Single())!;

    /// <summary>
    /// The program as it is built, in which small files stand for libtorch by their names: hundreds of megabytes are not copied for a test, and
    /// nothing may so much as open them.
    /// </summary>
    private string CopyOfTheProgram()
    {
        var program = folder.Folder("program");
        foreach (var file in Directory.EnumerateFiles(AppContext.BaseDirectory, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Join(program, Path.GetRelativePath(AppContext.BaseDirectory, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(LibTorchFiles.Contains(Path.GetFileName(file)) ? Path.Join(LibTorchFolder, "libc10.so") : file, copy);
        }
        return program;
    }

    private static string Binding(string program) =>
        Directory.EnumerateFiles(program, "libLibTorchSharp.so", SearchOption.AllDirectories).Single(f => f.Contains("linux-x64", StringComparison.Ordinal));

    /// <summary>A copy of the program whose TorchSharp needs a symbol that no libtorch has: one character of one that they have is a 9.</summary>
    private string ProgramThatNeeds(string symbol)
    {
        if (!Directory.Exists(folder["program"])) CopyOfTheProgram();
        var bytes = File.ReadAllBytes(Binding(AppContext.BaseDirectory));
        var nine = symbol.LastIndexOf('9');
        var (before, after) = (Encoding.ASCII.GetBytes('\0' + symbol[..nine]), Encoding.ASCII.GetBytes(symbol[(nine + 1)..] + '\0'));
        var at = Enumerable.Range(0, bytes.Length - symbol.Length - 1)
            .First(i => bytes.AsSpan(i).StartsWith(before) && bytes.AsSpan(i + before.Length + 1).StartsWith(after));
        bytes[at + before.Length] = (byte)'9';
        File.WriteAllBytes(Binding(folder["program"]), bytes);
        return folder["program"];
    }

    private IEnumerable<string> Packing(string data, string name) =>
        ["pretrain", "--data", data, "--out", folder[name], "--cache", folder["cache"], .. TrainedRun.Small, "--epochs", "1"];

    private IEnumerable<string> Pretrain(string name) =>
        ["pretrain", "--data", TrainedRun.Data, "--out", folder[name], "--cache", run.Cache, .. TrainedRun.Small, "--epochs", Epochs];

    /// <summary>Begins a run and does something to it when its first epoch is over.</summary>
    private Outcome Stop(string name, Action<TesseraProcess> how)
    {
        using var process = new TesseraProcess(Pretrain(name));
        process.WaitFor($"epoch 1/{Epochs}: PSNR ");
        how(process);
        return process.Finish();
    }

    /// <summary>Whether this process was begun with a signal ignored, as shells begin what runs behind them: those that it begins inherit that, and rightly go on.</summary>
    private static bool IsIgnored(int signal)
    {
        const string Status = "/proc/self/status";
        var ignored = File.Exists(Status) ? File.ReadLines(Status).FirstOrDefault(l => l.StartsWith("SigIgn:", StringComparison.Ordinal)) : null;
        return ignored is not null && (Convert.ToUInt64(ignored.Split('\t')[^1].Trim(), 16) >> (signal - 1) & 1) != 0;
    }

    private void ShouldEndAs(string whole, string stopped)
    {
        var resumed = TesseraProcess.Run(["pretrain", "--resume", folder[stopped], "--cache", run.Cache]).ShouldBeDone();

        resumed.Error.ShouldContain("going on from step ");
        File.ReadAllBytes(folder[$"{stopped}/model.safetensors"]).ShouldBe(File.ReadAllBytes(folder[$"{whole}/model.safetensors"]));
    }
}
