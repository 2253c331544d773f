using System.Globalization;
using Tessera.Benchmarking;
using Tessera.Cli.Commands;

namespace Tessera.Cli.Console;

/// <summary>Shows a benchmark's report as a table.</summary>
internal static class BenchView
{
    public static void Show(Terminal terminal, BenchmarkReport report, BenchmarkReport? saved)
    {
        var (system, options) = (report.System, report.Options);
        terminal.Say($"{system.Processor}, {system.Cores} cores, {system.Threads} threads, trains on {system.Device}; {system.OperatingSystem}, {system.Runtime}");
        terminal.Say($"{options.Encoder.Model}, mask tokens before the {CommonOptions.Word(options.Objective.Placement)}, {options.Data.ImageSize} pixels, patches of {options.Encoder.PatchSize}, batches of {options.Training.BatchSize}");
        if (saved is not null)
        {
            foreach (var difference in report.DifferencesFrom(saved)) terminal.Say($"not the same in the saved report: {difference}");
        }
        var ratios = report.Compared?.ToDictionary(r => (r.Part, r.Name));
        terminal.Say($"{"",-8} {"",-28} {"median",10} {"lowest",10} {"highest",10} {"",-9}{(ratios is null ? "" : $" {"saved",10} {"ratio",7}")}");
        var part = "";
        foreach (var figure in report.Figures())
        {
            var (scale, unit) = Scale(figure);
            var line = $"{(figure.Part == part ? "" : figure.Part),-8} {figure.Name,-28} {Number(figure.Value.Median * scale),10} ";
            line += figure.Value.Rounds == 1 ? $"{"",21}" : $"{Number(figure.Value.Lowest * scale),10} {Number(figure.Value.Highest * scale),10}";
            line += $" {unit,-9}";
            if (ratios?.GetValueOrDefault((figure.Part, figure.Name)) is { } ratio)
                line += $" {Number(ratio.Before * scale),10} {(ratio.Ratio is { } r ? r.ToString("f3", CultureInfo.InvariantCulture) : ""),7}";
            terminal.Say(line.TrimEnd());
            part = figure.Part;
        }
        if (report.Loader is { } loader) terminal.Say($"files: {loader.FilesAre}");
        if (report.Step is { } step) terminal.Say(string.Create(CultureInfo.InvariantCulture, $"first loss: {step.FirstLoss:g6}, {CommonOptions.Word(step.Precision)}"));
    }

    private static (double Scale, string Unit) Scale(BenchmarkFigure figure) => figure.Unit switch
    {
        "FLOP/s" => (1e-9, "GFLOP/s"),
        "B/s" => (1e-9, "GB/s"),
        "B" => (1e-6, "MB"),
        "s" => (1e3, "ms"),
        "share" => (100, "%"),
        _ => (1, figure.Unit),
    };

    private static string Number(double value) => value.ToString(Math.Abs(value) < 100 ? "f2" : "n0", CultureInfo.InvariantCulture);
}
