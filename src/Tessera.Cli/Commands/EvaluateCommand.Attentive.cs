using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Evaluation;
using Tessera.Imaging;

namespace Tessera.Cli.Commands;

// tessera evaluate attentive, and what probes that take steps have in common.
internal static partial class EvaluateCommand
{
    private static Verb Attentive(Terminal terminal)
    {
        var epochs = Epochs("(papers make 90 and more)");
        return OfFeatures(
            terminal,
            new Verb("attentive",
                "Classify labelled pictures by one query that looks at the patch tokens of the frozen encoder, trained in steps on crops, and of the same encoder with random weights.",
                "tessera evaluate attentive --model runs/pictures --data pictures/"),
            "to learn the classes from", "training", work => Probe(ProbeProtocol.Attentive, work, epochs), (report, images) => Show(terminal, report, images), own: epochs);
    }

    private static Option<int?> Epochs(string use) =>
        CommonOptions.Value<int?>("--epochs", "N", $"Passes over the training pictures {use} [default: {new ProbeOptions().Epochs}]");

    private static ProbeReport Probe(ProbeProtocol protocol, FeatureWork work, Option<int?> epochs)
    {
        var standard = new ProbeOptions();
        return ProbeEvaluation.Run(
            protocol, standard with { Epochs = work.Parsed.GetValue(epochs) ?? standard.Epochs }, work.Model, work.Images, work.Split, work.Limit, work.Seed, work.Device,
            [.. work.Others.Select(kind => kind.Layers)], work.Progress, work.Cancellation);
    }

    private static void Show(Terminal terminal, ProbeReport report, ImageSet images)
    {
        var head = report.Protocol == ProbeProtocol.Attentive ? "one query over the patch tokens" : "a linear layer after a batch norm, by LARS";
        terminal.Say(FormattableString.Invariant(
            $"{report.Measured} {ReportText.Word(report.Split)} pictures of {images.SourceLocation}, {report.Classes} classes: {head}, {report.Epochs} epochs over crops of {report.Trained} training pictures"));
        Table(terminal, report.Rows.Select(row => (row.Name, row.Measured.Top1, row.Measured.Top5, $" {Rate(row.Measured),12}")), $" {"rate",12}");
        var grid = report.Rows[0].Grid;
        terminal.Say(FormattableString.Invariant($"the encoder by the head's peak rate, chosen by top-1 on {grid[0].Top1.Count} development pictures:"));
        Cells(terminal, "", grid.Select(Rate));
        Cells(terminal, "top-1 (%)", grid.Select(result => Percent(result.Top1.Share)));
        Cells(terminal, "top-5 (%)", grid.Select(result => Percent(result.Top5.Share)));

        static string Rate(ProbeResult result) => FormattableString.Invariant($"{result.Rate:0.####}");
    }
}
