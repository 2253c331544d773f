using System.CommandLine;
using Tessera.Benchmarking;
using Tessera.Cli.Console;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera bench</c>: how fast this machine does it, against this machine's own limit.</summary>
internal static class BenchCommand
{
    private static readonly BenchmarkOptions Defaults = new();

    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("bench",
            "Measure how fast this machine pretrains, against this machine's own limit. Takes the options of pretrain.",
            "tessera bench --model vit-tiny --batch-size 128",
            "tessera bench --placement decoder --only step --json > before.json",
            "tessera bench --placement decoder --only step --compare before.json");
        var only = CommonOptions.Value<string?>("--only", "PARTS", $"What to measure, with commas between: {Words(BenchmarkParts.All)} [default: all]");
        var rounds = CommonOptions.Value<int?>("--rounds", "N", $"Rounds of each measurement [default: {Defaults.Rounds}]");
        var steps = CommonOptions.Value<int?>("--steps", "N", $"Optimiser steps a round [default: as many as take {Defaults.RoundSeconds} s]");
        var compare = CommonOptions.Value<string?>("--compare", "FILE", "Set the figures beside those of a saved report (the output of --json)");
        var cache = CommonOptions.Value<string?>("--cache", "DIR", "Folder for packed pictures [default: a temporary one]");
        foreach (var option in new Option[] { only, rounds, steps, compare }) command.Add(option);
        var settings = new PretrainOptionSet();
        settings.AddTo(command);
        command.Add(cache);
        command.Add(ScaleCommand.Build(terminal));

        command.SetAction(parsed =>
        {
            var options = Defaults with
            {
                Pretraining = settings.Over(new PretrainOptions(), parsed),
                Parts = Parts(parsed.GetValue(only)),
                Rounds = parsed.GetValue(rounds) ?? Defaults.Rounds,
                Steps = parsed.GetValue(steps),
                CacheFolder = parsed.GetValue(cache),
            };
            var saved = parsed.GetValue(compare) is { } file ? Read(file) : null;
            using var signals = new InterruptSignals(terminal);
            var report = new Benchmark(options, new Relay<BenchmarkProgress>(p => Tell(terminal, p))).Run(signals.Token);
            if (saved is not null) report = report with { Compared = report.CompareWith(saved) };
            BenchView.Show(terminal, report, saved);
            terminal.Result(report);
            return ExitCode.Done;
        });
        return command;
    }

    // Lines, and no bar: drawing one would take time from what is measured.
    internal static void Tell(Terminal terminal, BenchmarkProgress p)
    {
        if (p.Round == 1) terminal.Note($"measuring: {p.Doing} ({p.Rounds} rounds)");
    }

    private static BenchmarkReport Read(string file)
    {
        try
        {
            return BenchmarkReport.Read(file);
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"--compare: {e.Message}");
        }
    }

    private static BenchmarkParts Parts(string? words)
    {
        if (words is null) return BenchmarkParts.All;
        var parts = BenchmarkParts.None;
        foreach (var word in words.Split(',', StringSplitOptions.TrimEntries))
        {
            var part = Each(BenchmarkParts.All).Where(p => CommonOptions.Word(p) == word).ToList();
            if (part.Count == 0) throw new UsageException($"--only has '{word}': choose from {Words(BenchmarkParts.All)}, with commas between.");
            parts |= part[0];
        }
        return parts;
    }

    private static string Words(BenchmarkParts parts) => string.Join(',', Each(parts).Select(p => CommonOptions.Word(p)));

    private static IEnumerable<BenchmarkParts> Each(BenchmarkParts parts) =>
        Enum.GetValues<BenchmarkParts>().Where(p => int.IsPow2((int)p) && parts.HasFlag(p));
}
