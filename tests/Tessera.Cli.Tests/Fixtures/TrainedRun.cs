using Tessera.Runtime;

[assembly: AssemblyFixture(typeof(Tessera.Cli.Tests.Fixtures.TrainedRun))]

namespace Tessera.Cli.Tests.Fixtures;

/// <summary>One short run on drawn shapes, which all tests read and none changes.</summary>
public sealed class TrainedRun : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public TrainedRun()
    {
        LibTorch.Load();
        TorchSharp.torch.set_num_threads(1); // more threads only wait for each other on models as small as these
        Outcome = CommandLine.Run(["pretrain", "--data", Data, "--out", Folder, "--cache", Cache, "--json", .. Small, "--epochs", "2"]);
        Outcome.ShouldBeDone();
    }

    /// <summary>The smallest model on pictures of four patches: a step takes a few milliseconds.</summary>
    public static IReadOnlyList<string> Small { get; } =
        ["--model", "vit-micro", "--image-size", "16", "--batch-size", "20", "--log-steps", "2", "--device", "cpu", "--precision", "fp32"];

    /// <summary>The pictures: 100 to train on and 10 held out.</summary>
    public static string Data => "shapes:100";

    /// <summary>The run directory.</summary>
    public string Folder => folder["run"];

    /// <summary>Where the pictures lie packed.</summary>
    public string Cache => folder["cache"];

    /// <summary>What the command that trained it printed.</summary>
    internal Outcome Outcome { get; }

    /// <summary>A copy of the run that a test may damage.</summary>
    public string CopyTo(TemporaryFolder target)
    {
        foreach (var file in Directory.EnumerateFiles(Folder, "*", SearchOption.AllDirectories))
        {
            var copy = target[Path.Join("copy", Path.GetRelativePath(Folder, file))];
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
        return target["copy"];
    }

    public void Dispose() => folder.Dispose();
}
