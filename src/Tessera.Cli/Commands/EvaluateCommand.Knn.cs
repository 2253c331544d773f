using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Embeddings;
using Tessera.Evaluation;
using Tessera.Imaging;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

// tessera evaluate knn: what an encoder is worth as it is.
internal static partial class EvaluateCommand
{
    private static Verb Knn(Terminal terminal)
    {
        var command = new Verb("knn",
            "Classify labelled pictures by their nearest neighbours among the training pictures, as the encoder sees them, as the same encoder with random weights does, and by their pixels.",
            "tessera evaluate knn --model runs/pictures --data pictures/");
        var model = CommonOptions.Model();
        var data = CommonOptions.Data();
        var cache = CommonOptions.Cache();
        var device = CommonOptions.Device();
        var split = CommonOptions.Words("--split", "Which pictures are classified: held out for final figures, or for choices", MeasuredSplit.HeldOut);
        var limit = CommonOptions.Value<int?>("--limit", "N", "A seeded, class-balanced subset of so many training pictures to search in [default: all]");
        var noPack = NoPack();
        foreach (var option in new Option[] { model, data, split, noPack, limit, device, cache }) command.Add(option);

        command.SetAction(parsed =>
        {
            if (parsed.GetValue(limit) < 1) throw new UsageException("--limit must be at least 1.");
            var target = CommonOptions.Prepared(parsed.GetValue(device)!);
            using var signals = new InterruptSignals(terminal);
            using var loaded = ModelFile.LoadEncoder(parsed.GetValue(model)!, target);
            var (folder, measured) = (parsed.GetValue(cache)!, parsed.GetValue(split));
            using var images = Open(terminal, loaded.Description, parsed.GetValue(data)!, parsed.GetValue(noPack), folder, signals.Token);
            Warn(terminal, loaded.Description.Data, images, measured);
            var seed = MaskOptionSet.SplitSeed(loaded.Description);
            var report = ProgressBar.While(terminal, "comparing", progress => KnnEvaluation.Run(
                loaded, images, measured, parsed.GetValue(limit), seed, target, new FeatureCache(folder),
                new Relay<EvaluationPhase>(phase => progress.Report((phase.Done, phase.Total, phase.Words))), signals.Token));
            Show(terminal, report, images);
            terminal.Result(report);
            return ExitCode.Done;
        });
        return command;
    }

    private static void Show(Terminal terminal, KnnReport report, ImageSet images)
    {
        terminal.Say(FormattableString.Invariant(
            $"{report.Queries} {ReportText.Word(report.Split)} pictures of {images.SourceLocation}, {report.Classes} classes: the {report.Neighbours} nearest of {report.Bank} training pictures vote, temperature {report.Temperature}"));
        terminal.Say($"  {"",-30} {"top-1 (%)",9} {"95 % interval",15} {"top-5 (%)",9}");
        foreach (var row in report.Rows)
        {
            var (top1, top5) = (row.Standard.Top1, row.Standard.Top5);
            terminal.Say(FormattableString.Invariant(
                $"  {row.Name,-30} {100 * top1.Share,9:f2} {$"{Percent(top1.Low)} to {Percent(top1.High)}",15} {100 * top5.Share,9:f2}"));
        }
        terminal.Say("the encoder by the number of neighbours:");
        Grid("", accuracy => FormattableString.Invariant($"{accuracy.Neighbours}"));
        Grid("top-1 (%)", accuracy => Percent(accuracy.Top1.Share));
        Grid("top-5 (%)", accuracy => Percent(accuracy.Top5.Share));
        terminal.Say(FormattableString.Invariant($"RankMe of the training pictures' vectors: {report.RankMe:f1} of {report.Width}"));

        void Grid(string name, Func<KnnAccuracy, string> cell) =>
            terminal.Say($"  {name,-10}{string.Concat(report.Rows[0].Grid.Select(accuracy => $" {cell(accuracy),6}"))}");

        static string Percent(double share) => FormattableString.Invariant($"{100 * share:f2}");
    }
}
