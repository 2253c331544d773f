using System.CommandLine;
using System.Globalization;
using Tessera.Benchmarking;
using Tessera.Benchmarking.Scale;
using Tessera.Cli.Console;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera bench scale</c>: what training over several ranks would come to.</summary>
internal static class ScaleCommand
{
    private static readonly ScaleOptions Defaults = new();

    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("scale",
            "Measure a step of pretraining here, and simulate it over several machines like this one. Takes the options of pretrain.",
            "tessera bench scale --model vit-small",
            "tessera bench scale --model vit-base --batch-size 1024 --ranks 1,2,4,8 --latency 1ms --bandwidth 1Gbit");
        var ranks = CommonOptions.Value<string?>("--ranks", "N,N", $"How many machines, with commas between [default: {string.Join(',', Defaults.Ranks)}]");
        var latency = CommonOptions.Value<string?>("--latency", "TIME", "What a message takes at least, one way [default: 0.1ms]");
        var bandwidth = CommonOptions.Value<string?>("--bandwidth", "RATE", "What the wire of each carries, each way: Gbit, Mbit, GB or MB a second [default: 10Gbit]");
        var bucket = CommonOptions.Value<long?>("--bucket", "BYTES", $"Bytes of gradients that are reduced as one, while the rest is computed [default: {Defaults.BucketBytes}]");
        var stages = CommonOptions.Value<int?>("--stages", "N", $"Stages of the backward pass, after each of which its gradients are reduced [default: {Defaults.Stages}]");
        var rounds = CommonOptions.Value<int?>("--rounds", "N", $"Rounds of each measurement [default: {Defaults.Rounds}]");
        var steps = CommonOptions.Value<int?>("--steps", "N", $"Optimiser steps a round [default: as many as take {Defaults.RoundSeconds} s]");
        var cache = CommonOptions.Value<string?>("--cache", "DIR", "Folder for packed pictures [default: a temporary one]");
        foreach (var option in new Option[] { ranks, latency, bandwidth, bucket, stages, rounds, steps }) command.Add(option);
        var settings = new PretrainOptionSet();
        settings.AddTo(command);
        command.Add(cache);

        command.SetAction(parsed =>
        {
            var options = Defaults with
            {
                Pretraining = settings.Over(new PretrainOptions(), parsed),
                Ranks = parsed.GetValue(ranks) is { } list ? Ranks(list) : Defaults.Ranks,
                Wire = new Wire(
                    parsed.GetValue(latency) is { } time ? Quantity.Seconds("--latency", time) : Defaults.Wire.Latency,
                    parsed.GetValue(bandwidth) is { } rate ? Quantity.BytesPerSecond("--bandwidth", rate) : Defaults.Wire.Bandwidth),
                BucketBytes = parsed.GetValue(bucket) ?? Defaults.BucketBytes,
                Stages = parsed.GetValue(stages) ?? Defaults.Stages,
                Rounds = parsed.GetValue(rounds) ?? Defaults.Rounds,
                Steps = parsed.GetValue(steps),
                CacheFolder = parsed.GetValue(cache),
            };
            using var signals = new InterruptSignals(terminal);
            var report = new ScaleBenchmark(options, new Relay<BenchmarkProgress>(p => BenchCommand.Tell(terminal, p))).Run(signals.Token);
            ScaleView.Show(terminal, report);
            terminal.Result(report);
            return ExitCode.Done;
        });
        return command;
    }

    private static List<int> Ranks(string list) =>
    [
        .. list.Split(',', StringSplitOptions.TrimEntries).Select(word => int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var ranks)
            ? ranks : throw new UsageException($"--ranks has '{word}': write whole numbers with commas between, such as 1,2,8.")),
    ];
}
