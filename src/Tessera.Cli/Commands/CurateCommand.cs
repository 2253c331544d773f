using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Evaluation;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera curate</c>: what is odd, doubled, wrongly labelled or worth labelling in a source.</summary>
internal static class CurateCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("curate",
            "Look through a source: outliers, duplicates, pictures on both sides of the split, labels that neighbours disagree with, clusters, and what to label first.",
            "tessera curate --model tessera-tiny --data pictures/ -o curation/");
        var standard = new CurationOptions();
        var options = new EmbeddingOptionSet();
        var output = new Option<string>("--out", "-o") { Description = "The folder to write lists (CSV, JSON) and sheets of pictures to", DefaultValueFactory = _ => "curation", HelpName = "DIR" };
        var count = CommonOptions.Value<int?>("--count", "N", $"Outliers to list [default: {standard.Count}]");
        var subset = CommonOptions.Value<int?>("--subset", "N", $"Pictures to label first [default: {standard.Subset}]");
        var clusters = CommonOptions.Value<int?>("--clusters", "K", "Clusters [default: the root of half the pictures, at most 100]");
        var threshold = CommonOptions.Value<double?>("--threshold", "COSINE", "Pictures at least so similar are near duplicates [default: what the vectors suggest]");
        options.AddTo(command);
        foreach (var option in new Option[] { output, count, subset, clusters, threshold }) command.Add(option);
        command.SetAction(parsed =>
        {
            var folder = parsed.GetValue(output)!;
            using var signals = new InterruptSignals(terminal);
            using var encoder = options.Load(parsed);
            var (images, meant) = options.Open(terminal, parsed, encoder, signals.Token);
            using var owned = images;
            var wanted = standard with
            {
                Count = parsed.GetValue(count) ?? standard.Count,
                Subset = parsed.GetValue(subset) ?? standard.Subset,
                Clusters = parsed.GetValue(clusters),
                Threshold = parsed.GetValue(threshold),
                Seed = MaskOptionSet.SplitSeed(encoder.Description),
            };
            var (set, pictures) = options.Vectors(terminal, parsed, encoder, images, meant, signals.Token);
            var report = ProgressBar.While(terminal, "comparing", progress => Curation.Run(
                set, images, pictures, wanted, new Relay<EvaluationPhase>(p => progress.Report((p.Done, p.Total, p.Words))), signals.Token));
            var files = CurationSheets.Write(folder, report, images, pictures);
            terminal.Say(FormattableString.Invariant($"{report.Pictures} pictures of {images.SourceLocation}"));
            terminal.Say($"  exact duplicates  {report.ExactDuplicates.Count} groups");
            terminal.Say(FormattableString.Invariant($"  near duplicates   {report.NearDuplicates.Count} groups, of a cosine of {report.Threshold:f4} or more"));
            terminal.Say($"  leaks             {report.Leaks.Count} groups on both sides of the split");
            terminal.Say(report.HasLabels ? $"  suspected labels  {report.SuspectedLabels.Count}, the most suspect first" : "  suspected labels  none: that needs two classes");
            terminal.Say($"  clusters          {report.Clusters.Count}{(report.AreClustersSettled ? "" : ", not yet settled")}");
            terminal.Say($"  to label first    {report.ToLabel.Count}");
            terminal.Say($"lists and sheets: {Path.GetFullPath(folder)}");
            terminal.Result(new Curated(Path.GetFullPath(folder), [.. files.Select(f => Path.GetFileName(f)!)], report.Pictures, report.ExactDuplicates.Count, report.NearDuplicates.Count,
                report.Threshold, report.Leaks.Count, report.SuspectedLabels.Count, report.Clusters.Count, report.ToLabel.Count));
            return ExitCode.Done;
        });
        return command;
    }

    private sealed record Curated(
        string Folder, IReadOnlyList<string> Files, int Pictures, int ExactDuplicates, int NearDuplicates, double Threshold, int Leaks, int SuspectedLabels, int Clusters, int ToLabel);
}
