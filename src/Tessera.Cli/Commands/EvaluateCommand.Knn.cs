using Tessera.Cli.Console;
using Tessera.Evaluation;
using Tessera.Imaging;

namespace Tessera.Cli.Commands;

// tessera evaluate knn: what an encoder is worth as it is.
internal static partial class EvaluateCommand
{
    private static Verb Knn(Terminal terminal) => OfFeatures(
        terminal,
        new Verb("knn",
            "Classify labelled pictures by their nearest neighbours among the training pictures, as the encoder sees them, as the same encoder with random weights does, and by their pixels.",
            "tessera evaluate knn --model runs/pictures --data pictures/"),
        "to search in", "comparing",
        work => KnnEvaluation.Run(work.Model, work.Images, work.Split, work.Limit, work.Seed, work.Device, work.Cache, work.Others, work.Progress, work.Cancellation),
        (report, images) => Show(terminal, report, images));

    private static void Show(Terminal terminal, KnnReport report, ImageSet images)
    {
        terminal.Say(FormattableString.Invariant(
            $"{report.Queries} {ReportText.Word(report.Split)} pictures of {images.SourceLocation}, {report.Classes} classes: the {report.Neighbours} nearest of {report.Bank} training pictures vote, temperature {report.Temperature}"));
        Table(terminal, report.Rows.Select(row => (row.Name, row.Standard.Top1, row.Standard.Top5, "")));
        var grid = report.Rows[0].Grid;
        terminal.Say("the encoder by the number of neighbours:");
        Cells(terminal, "", grid.Select(accuracy => FormattableString.Invariant($"{accuracy.Neighbours}")));
        Cells(terminal, "top-1 (%)", grid.Select(accuracy => Percent(accuracy.Top1.Share)));
        Cells(terminal, "top-5 (%)", grid.Select(accuracy => Percent(accuracy.Top5.Share)));
        terminal.Say(FormattableString.Invariant($"RankMe of the training pictures' vectors: {report.RankMe:f1} of {report.Width}"));
    }
}
