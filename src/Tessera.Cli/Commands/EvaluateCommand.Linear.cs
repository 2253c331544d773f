using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Evaluation;
using Tessera.Imaging;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

// tessera evaluate linear: what can be read off an encoder's vectors.
internal static partial class EvaluateCommand
{
    private static Verb Linear(Terminal terminal)
    {
        var protocol = CommonOptions.Words(
            "--protocol", "How the layer is trained: to its optimum on vectors of whole pictures, or in steps on crops, as in the MAE paper, with LARS", LinearProtocol.Optimum);
        var epochs = Epochs("with --protocol mae (the paper makes 90)");
        var confusion = new Option<string?>("--confusion") { Description = "A PNG file to draw into which classes are confused most; not with --protocol mae", HelpName = "FILE" };
        return OfFeatures<object>(
            terminal,
            new Verb("linear",
                "Classify labelled pictures by a linear layer, trained on the vectors of the frozen encoder, on those of the same encoder with random weights, and on the pixels.",
                "tessera evaluate linear --model runs/pictures --data pictures/"),
            "to learn the classes from", "training",
            work =>
            {
                if (work.Parsed.GetValue(protocol) == LinearProtocol.Mae) return Probe(ProbeProtocol.Linear, work, epochs);
                var report = LinearEvaluation.Run(work.Model, work.Images, work.Split, work.Limit, work.Seed, work.Device, work.Cache, work.Others, work.Progress, work.Cancellation);
                if (work.Parsed.GetValue(confusion) is { } file && ConfusionPicture.Encode(report.Rows[0].Probe.Measured.Confusion!, work.Images) is { } picture) RunEvaluations.KeepPicture(file, picture);
                return report;
            },
            (report, images) =>
            {
                if (report is ProbeReport probe) Show(terminal, probe, images);
                else Show(terminal, (LinearReport)report, images);
            },
            check: parsed =>
            {
                var mae = parsed.GetValue(protocol) == LinearProtocol.Mae;
                if (!mae && parsed.GetValue(epochs) is not null) throw new UsageException("--epochs is for --protocol mae: the optimum is searched until it is found.");
                if (mae && parsed.GetValue(confusion) is not null) throw new UsageException("--confusion is for --protocol optimum: leave out one.");
                if (parsed.GetValue(confusion) is { } file) CommonOptions.PngBeside([], file, "--confusion");
            },
            protocol, epochs, confusion);
    }

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

        if (report.Confused.Count > 0)
        {
            terminal.Say("most often taken for each other: " + string.Join("; ", report.Confused.Take(5).Select(pair =>
                FormattableString.Invariant($"{pair.First} and {pair.Second} ({100 * pair.FirstAsSecond:f0} and {100 * pair.SecondAsFirst:f0} %)"))));
        }

        static string Decay(LinearResult result) => FormattableString.Invariant($"{result.Decay:0.#e0}");
    }

    /// <summary>How a linear layer is trained.</summary>
    private enum LinearProtocol
    {
        Optimum,
        Mae,
    }
}
