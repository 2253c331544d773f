using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Embeddings;
using Tessera.Evaluation;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Weights;
using TorchSharp;

namespace Tessera.Cli.Commands;

// What the verbs that judge an encoder by its vectors have in common.
internal static partial class EvaluateCommand
{
    /// <param name="terminal">Where it is shown.</param>
    /// <param name="command">The verb, without its options.</param>
    /// <param name="use">What training pictures are used for, as the end of a sentence.</param>
    /// <param name="title">What is at work.</param>
    /// <param name="evaluate">The work.</param>
    /// <param name="show">Says what came out.</param>
    private static Verb OfFeatures<T>(
        Terminal terminal, Verb command, string use, string title, Func<FeatureWork, T> evaluate, Action<T, ImageSet> show) where T : notnull
    {
        var model = CommonOptions.Model();
        var data = CommonOptions.Data();
        var cache = CommonOptions.Cache();
        var device = CommonOptions.Device();
        var split = CommonOptions.Words("--split", "Which pictures are classified: held out for final figures, or for choices", MeasuredSplit.HeldOut);
        var limit = CommonOptions.Value<int?>("--limit", "N", $"A seeded, class-balanced subset of so many training pictures {use} [default: all]");
        var noPack = ModelPictures.NoPack();
        var precision = CommonOptions.Words(
            "--precision", "Number format of the encoder; bf16 is faster where the machine has its instructions, and moves figures by less than they are uncertain", Precision.Fp32);
        foreach (var option in new Option[] { model, data, split, noPack, limit, device, precision, cache }) command.Add(option);

        command.SetAction(parsed =>
        {
            if (parsed.GetValue(limit) < 1) throw new UsageException("--limit must be at least 1.");
            var target = CommonOptions.Prepared(parsed.GetValue(device)!);
            using var signals = new InterruptSignals(terminal);
            using var loaded = ModelFile.LoadEncoder(parsed.GetValue(model)!, target, parsed.GetValue(precision));
            var (folder, measured) = (parsed.GetValue(cache)!, parsed.GetValue(split));
            using var images = ModelPictures.Open(terminal, loaded.Description, parsed.GetValue(data)!, parsed.GetValue(noPack), folder, signals.Token);
            Warn(terminal, loaded.Description.Data, images, measured);
            var seed = MaskOptionSet.SplitSeed(loaded.Description);
            var report = ProgressBar.While(terminal, title, progress => evaluate(new FeatureWork(
                loaded, images, measured, parsed.GetValue(limit), seed, target, new FeatureCache(folder),
                new Relay<EvaluationPhase>(phase => progress.Report((phase.Done, phase.Total, phase.Words))), signals.Token)));
            show(report, images);
            terminal.Result(report);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Accuracies, a line for each kind of vectors.</summary>
    /// <param name="terminal">Where they are shown.</param>
    /// <param name="rows">The lines; what else is said of each stands at its end.</param>
    /// <param name="heading">What that is.</param>
    private static void Table(Terminal terminal, IEnumerable<(string Name, Accuracy Top1, Accuracy Top5, string Else)> rows, string heading = "")
    {
        terminal.Say($"  {"",-30} {"top-1 (%)",9} {"95 % interval",15} {"top-5 (%)",9}{heading}");
        foreach (var (name, top1, top5, more) in rows)
        {
            terminal.Say(FormattableString.Invariant(
                $"  {name,-30} {100 * top1.Share,9:f2} {$"{Percent(top1.Low)} to {Percent(top1.High)}",15} {100 * top5.Share,9:f2}{more}"));
        }
    }

    private static void Cells(Terminal terminal, string name, IEnumerable<string> cells) =>
        terminal.Say($"  {name,-10}{string.Concat(cells.Select(cell => $" {cell,6}"))}");

    private static string Percent(double share) => FormattableString.Invariant($"{100 * share:f2}");

    /// <summary>What an evaluation by vectors takes.</summary>
    // One object, made when the work begins: a delegate that takes these one by one names TorchSharp's device, and making it loads libtorch, for each verb's help too.
    private sealed record FeatureWork(
        PretrainedEncoder Model, ImageSet Images, MeasuredSplit Split, int? Limit, ulong Seed, torch.Device Device, FeatureCache Cache,
        IProgress<EvaluationPhase> Progress, CancellationToken Cancellation);
}
