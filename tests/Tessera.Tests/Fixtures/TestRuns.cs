using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tessera.Imaging;
using Tessera.Runs;
using Tessera.Training;

namespace Tessera.Tests.Fixtures;

/// <summary>Runs training as the command does, and looks at what it leaves.</summary>
internal static class TestRuns
{
    /// <summary>Begins a run, or resumes one that is there.</summary>
    public static PretrainSummary Train(string folder, PretrainOptions options, ImageSet images, Action<PretrainProgress>? watch = null, ILogger? logger = null) =>
        Run(folder, options, images, watch, logger, TestContext.Current.CancellationToken);

    /// <summary>Trains until so many steps are made, and is then asked to end as by Ctrl-C.</summary>
    public static void TrainUntil(string folder, PretrainOptions options, ImageSet images, long step)
    {
        using var source = new CancellationTokenSource();
        Should.Throw<OperationCanceledException>(() => Run(folder, options, images, Stop, logger: null, source.Token));

        void Stop(PretrainProgress progress)
        {
            if (progress.Step >= step) source.Cancel();
        }
    }

    public static string HashOfResult(string folder) =>
        Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Path.Combine(folder, "model.safetensors"))));

    public static List<MetricsLine> Metrics(string folder) =>
        [.. MetricsLog.Open(RunDirectory.Open(folder).Run, long.MaxValue).Lines];

    public static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    private static PretrainSummary Run(
        string folder, PretrainOptions options, ImageSet images, Action<PretrainProgress>? watch, ILogger? logger, CancellationToken cancellation)
    {
        var run = File.Exists(Path.Combine(folder, "options.json")) ? RunDirectory.Open(folder).Run : RunDirectory.Create(folder, options);
        using var pretraining = new Pretraining(run, RunDirectory.Open(folder).Options, images, watch is null ? null : new Watch(watch), logger);
        return pretraining.Run(cancellation);
    }

    private sealed class Watch(Action<PretrainProgress> action) : IProgress<PretrainProgress>
    {
        public void Report(PretrainProgress value) => action(value);
    }
}
