using Tessera.Cli.Console;
using Tessera.Evaluation;
using Tessera.Imaging;

namespace Tessera.Cli.Commands;

// tessera evaluate linear: what can be read off an encoder's vectors.
internal static partial class EvaluateCommand
{
    private static Verb Linear(Terminal terminal) => OfFeatures(
        terminal,
        new Verb("linear",
            "Classify labelled pictures by a linear layer, trained on the vectors of the frozen encoder, on those of the same encoder with random weights, and on the pixels.",
            "tessera evaluate linear --model runs/pictures --data pictures/"),
        "to learn the classes from", "training",
        work => LinearEvaluation.Run(work.Model, work.Images, work.Split, work.Limit, work.Seed, work.Device, work.Cache, work.Others, work.Progress, work.Cancellation),
        (report, images) => Show(terminal, report, images));

    private static void Show(Terminal terminal, LinearReport report, ImageSet images)
    {
        terminal.Say(FormattableString.Invariant(
            $"{report.Measured} {ReportText.Word(report.Split)} pictures of {images.SourceLocation}, {report.Classes} classes: a linear layer, trained on {report.Trained} training pictures"));
        Table(terminal, report.Rows.Select(row => (row.Name, row.Probe.Measured.Top1, row.Probe.Measured.Top5, $" {Decay(row.Probe.Measured),12}")), $" {"weight decay",12}");
        var (grid, chosen) = (report.Rows[0].Probe.Grid, report.Rows[0].Probe.Development);
        terminal.Say(FormattableString.Invariant($"the encoder by its layer's weight decay, trained on {chosen.Trained} pictures and chosen by top-1 on {chosen.Top1.Count} development pictures:"));
        Cells(terminal, "", grid.Select(Decay));
        Cells(terminal, "top-1 (%)", grid.Select(result => Percent(result.Top1.Share)));
        Cells(terminal, "top-5 (%)", grid.Select(result => Percent(result.Top5.Share)));

        static string Decay(LinearResult result) => FormattableString.Invariant($"{result.Decay:0.#e0}");
    }
}
