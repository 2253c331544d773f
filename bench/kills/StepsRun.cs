using System.Globalization;

namespace Tessera.Kills;

/// <summary>A day's steps in minutes: many thousand of a tiny model, with the epochs, evaluations, checkpoints and log events of a long run, and what memory they take.</summary>
internal static class StepsRun
{
    /// <summary>The most that memory may grow by from the second tenth of the steps to the last, in percent.</summary>
    public const double MostDrift = 1;

    private const int StepsPerEpoch = 60;
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(0.25);

    private static readonly string[] Views = ["--objective", "pixels+views"];

    /// <summary>What is trained, by name.</summary>
    public static IReadOnlyDictionary<string, string[]> Trainings { get; } = new Dictionary<string, string[]>
    {
        ["packed"] = [],
        ["streamed"] = ["--no-pack"],
        ["packed-views"] = Views,
        ["streamed-views"] = [.. Views, "--no-pack"],
    };

    /// <summary>Trains so many steps, at least.</summary>
    /// <param name="folder">A folder.</param>
    /// <param name="training">One of <see cref="Trainings"/>.</param>
    /// <param name="steps">How many.</param>
    public static StepsReport Run(string folder, string training, int steps)
    {
        var run = Path.Join(folder, training);
        using var process = new CommandProcess(
        [
            "pretrain", "--data", "shapes:240", "--model", "vit-micro", "--placement", "decoder", "--decoder-depth", "1", "--image-size", "16", "--batch-size", "4", "--workers", "2", "--device", "cpu", "--precision", "fp32",
            "--out", run, "--cache", Path.Join(folder, "cache"), "--epochs", ((steps + StepsPerEpoch - 1) / StepsPerEpoch).ToString(CultureInfo.InvariantCulture),
            "--evaluate-every", "5", "--checkpoint-steps", "250", "--log-steps", "50", .. Trainings[training],
        ]);
        var seen = new List<(long Steps, long Bytes)>();
        while (!process.HasEndedWithin(Look))
        {
            if (LastStep(Path.Join(run, "metrics.jsonl")) is { } step && process.AnonymousBytes() is { } bytes) seen.Add((step, bytes));
        }
        var outcome = process.Finish();
        return outcome.Code == 0 ? StepsReport.Of(training, seen, LastStep(Path.Join(run, "metrics.jsonl")) ?? 0)
            : throw new InvalidOperationException($"exit code {outcome.Code}: {outcome.Error}");

        // The step of the last whole line; null: there is none yet.
        static long? LastStep(string file)
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
}

/// <summary>What memory of its own (<c>RssAnon</c>) a training held.</summary>
/// <param name="Training">Which.</param>
/// <param name="Steps">Steps that it made.</param>
/// <param name="Tenths">The mean of each tenth of them, in bytes.</param>
internal sealed record StepsReport(string Training, long Steps, IReadOnlyList<double> Tenths)
{
    /// <summary>From the second tenth to the last, in percent; in the first is made what is made once.</summary>
    public double Drift => 100 * (Tenths[^1] / Tenths[1] - 1);

    /// <param name="training">Which.</param>
    /// <param name="seen">What was held at which step.</param>
    /// <param name="steps">The last step.</param>
    public static StepsReport Of(string training, IReadOnlyList<(long Steps, long Bytes)> seen, long steps)
    {
        const int tenths = 10;
        var held = seen.ToLookup(s => (s.Steps * tenths - 1) / steps, s => (double)s.Bytes); // a tenth's last step is its own
        return new StepsReport(training, steps, [.. Enumerable.Range(0, tenths).Select(tenth => held.Contains(tenth) ? held[tenth].Average()
            : throw new InvalidOperationException($"Nothing was seen in tenth {tenth + 1} of {steps} steps: ask for more steps."))]);
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{Training,-15} {Steps,7} steps, of its own it holds, by tenths, in MB: {string.Join(' ', Tenths.Select(bytes => (bytes / 1e6).ToString("f1", CultureInfo.InvariantCulture)))}; from the second to the last {Drift:+0.00;-0.00} %");
}
