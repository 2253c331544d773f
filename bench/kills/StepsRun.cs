using System.Globalization;

namespace Tessera.Kills;

/// <summary>A day's steps in minutes: many thousand of a tiny model, with the evaluations and checkpoints of a long run, and what memory they take.</summary>
internal static class StepsRun
{
    private const int StepsPerEpoch = 5;
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(0.5);

    /// <summary>Trains so many steps.</summary>
    /// <param name="folder">A folder.</param>
    /// <param name="steps">How many, a multiple of 5.</param>
    /// <param name="told">Told what the process holds after each thousand steps: steps, and bytes.</param>
    /// <returns>What was told.</returns>
    public static IReadOnlyList<(long Steps, long Bytes)> Run(string folder, int steps, Action<long, long> told)
    {
        var run = Path.Join(folder, "run");
        using var process = new CommandProcess(
        [
            "pretrain", "--data", "shapes:100", "--model", "vit-micro", "--image-size", "16", "--objective", "pixels", "--batch-size", "20", "--device", "cpu", "--precision", "fp32",
            "--out", run, "--cache", Path.Join(folder, "cache"), "--epochs", (steps / StepsPerEpoch).ToString(CultureInfo.InvariantCulture),
            "--evaluate-every", "50", "--checkpoint-steps", "250", "--log-steps", "50",
        ]);
        var seen = new List<(long Steps, long Bytes)>();
        while (!process.HasEndedWithin(Look))
        {
            if (LastStep(Path.Join(run, "metrics.jsonl")) is not { } step || step / 1000 <= seen.Count) continue;
            if (process.ResidentBytes() is not { } bytes) break;
            seen.Add((step, bytes));
            told(step, bytes);
        }
        var outcome = process.Finish();
        return outcome.Code == 0 ? seen : throw new InvalidOperationException($"exit code {outcome.Code}: {outcome.Error}");
    }

    /// <summary>The step of the last whole line; null: there is none yet.</summary>
    private static long? LastStep(string file)
    {
        const string start = "{\"step\":";
        if (!File.Exists(file)) return null;
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        stream.Seek(-Math.Min(stream.Length, 1 << 14), SeekOrigin.End);
        using var text = new StreamReader(stream);
        var lines = text.ReadToEnd().Split('\n');
        return lines.SkipLast(1).LastOrDefault(line => line.StartsWith(start, StringComparison.Ordinal)) is { } last
            ? long.Parse(last[start.Length..last.IndexOf(',', StringComparison.Ordinal)], CultureInfo.InvariantCulture) : null;
    }
}
