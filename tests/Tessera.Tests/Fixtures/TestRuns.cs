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
    public static PretrainSummary Train(string folder, PretrainOptions options, ImageSet images, Action<TrainingProgress>? watch = null, ILogger? logger = null) =>
        Run(folder, options, images, watch, logger, TestContext.Current.CancellationToken);

    /// <summary>Trains until so many steps are made, and is then asked to end as by Ctrl-C.</summary>
    public static void TrainUntil(string folder, PretrainOptions options, ImageSet images, long step)
    {
        using var source = new CancellationTokenSource();
        Should.Throw<OperationCanceledException>(() => Run(folder, options, images, Stop, logger: null, source.Token));

        void Stop(TrainingProgress progress)
        {
            if (progress.Step >= step) source.Cancel();
        }
    }

    public static string HashOfResult(string folder) =>
        Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Path.Combine(folder, "model.safetensors"))));

    public static List<MetricsLine> Metrics(string folder)
    {
        using var run = PretrainRun.Open(folder).Run;
        return [.. MetricsLog.Open(run, long.MaxValue).Lines];
    }

    /// <summary>What evaluations measured, without what hangs on the clock.</summary>
    public static List<MetricsLine> Evaluations(string folder) => [.. Metrics(folder).Where(l => l.IsEvaluation)];

    public static void Copy(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories).Where(f => !f.EndsWith(".lock", StringComparison.Ordinal)))
        {
            var copy = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    private static PretrainSummary Run(
        string folder, PretrainOptions options, ImageSet images, Action<TrainingProgress>? watch, ILogger? logger, CancellationToken cancellation)
    {
        var (run, own) = File.Exists(Path.Combine(folder, "options.json")) ? PretrainRun.Open(folder) : PretrainRun.Begin(folder, options);
        using var release = run;
        using var pretraining = new Pretraining(run, own, images, watch is null ? null : new Watch(watch), logger);
        return pretraining.Run(cancellation);
    }

    private sealed class Watch(Action<TrainingProgress> action) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => action(value);
    }
}
