using System.CommandLine;
using System.Globalization;
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
    /// <param name="check">Refuses options that do not go together.</param>
    /// <param name="own">Options that this verb alone has.</param>
    private static Verb OfFeatures<T>(
        Terminal terminal, Verb command, string use, string title, Func<FeatureWork, T> evaluate, Action<T, ImageSet> show, Action<ParseResult>? check = null,
        params IReadOnlyList<Option> own) where T : notnull
    {
        var model = CommonOptions.Model();
        var data = CommonOptions.Data();
        var cache = CommonOptions.Cache();
        var device = CommonOptions.Device();
        var split = CommonOptions.Words("--split", "Which pictures are classified: held out for final figures, or for choices", MeasuredSplit.HeldOut);
        var limit = CommonOptions.Value<int?>("--limit", "N", $"A seeded, class-balanced subset of so many training pictures {use} [default: all]");
        var perClass = CommonOptions.Value<int?>("--labels-per-class", "N", $"So many training pictures of each class {use}, in place of --limit");
        var layers = new Option<string?>("--layers") { Description = "Measure these layers besides the last, each and all together, such as 4,8,12", HelpName = "N,N" };
        var noPack = ModelPictures.NoPack();
        var precision = CommonOptions.Words(
            "--precision", "Number format of the encoder; bf16 is faster where the machine has its instructions, and moves figures by less than they are uncertain", Precision.Fp32);
        foreach (var option in (Option[])[model, data, .. own, split, noPack, limit, perClass, layers, device, precision, cache]) command.Add(option);

        command.SetAction(parsed =>
        {
            if (parsed.GetValue(limit) < 1) throw new UsageException("--limit must be at least 1.");
            if (parsed.GetValue(perClass) < 1) throw new UsageException("--labels-per-class must be at least 1.");
            if (parsed.GetValue(perClass) is not null && parsed.GetValue(limit) is not null) throw new UsageException("--limit and --labels-per-class both say how many: leave out one.");
            check?.Invoke(parsed);
            var others = Layers(parsed.GetValue(layers));
            var target = CommonOptions.Prepared(parsed.GetValue(device)!);
            using var signals = new InterruptSignals(terminal);
            using var loaded = ModelFile.LoadEncoder(parsed.GetValue(model)!, target, parsed.GetValue(precision));
            var (folder, measured) = (parsed.GetValue(cache)!, parsed.GetValue(split));
            using var images = ModelPictures.Open(terminal, loaded.Description, parsed.GetValue(data)!, parsed.GetValue(noPack), folder, signals.Token);
            Warn(terminal, loaded.Description.Data, images, measured);
            var seed = MaskOptionSet.SplitSeed(loaded.Description);
            var report = ProgressBar.While(terminal, title, progress => evaluate(new FeatureWork(
                parsed, loaded, images, measured, parsed.GetValue(perClass) * images.ClassNames.Count ?? parsed.GetValue(limit), others, seed, target, new FeatureCache(folder),
                Phases(progress), signals.Token)));
            show(report, images);
            terminal.Result(report);
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>An evaluation's progress on a bar.</summary>
    private static Relay<EvaluationPhase> Phases(IProgress<(long Done, long Total, string Words)> bar) => new(phase => bar.Report((phase.Done, phase.Total, phase.Words)));

    /// <summary>Kinds of vectors by their layers: each, and all together.</summary>
    private static List<FeatureKind> Layers(string? text)
    {
        if (text is null) return [];
        int[] numbers = [.. text.Split(',').Select(word => int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number : throw new UsageException($"--layers is '{text}': write numbers of blocks, such as 4,8,12."))];
        List<FeatureKind> kinds = [.. numbers.Select(number => new FeatureKind(Pooling.Mean, number))];
        if (numbers.Length > 1) kinds.Add(new FeatureKind(Pooling.Mean, numbers));
        return kinds;
    }

    /// <summary>Accuracies, a line for each kind of vectors.</summary>
    /// <param name="terminal">Where they are shown.</param>
    /// <param name="rows">The lines; what else is said of each stands at its end.</param>
    /// <param name="heading">What that is.</param>
    private static void Table(Terminal terminal, IEnumerable<(string Name, Accuracy Top1, Accuracy Top5, string Else)> rows, string heading = "")
    {
        var lines = rows.ToList();
        var width = Math.Max(30, lines.Max(line => line.Name.Length));
        terminal.Say($"  {new string(' ', width)} {"top-1 (%)",9} {"95 % interval",15} {"top-5 (%)",9}{heading}");
        foreach (var (name, top1, top5, more) in lines)
        {
            terminal.Say(FormattableString.Invariant(
                $"  {name.PadRight(width)} {100 * top1.Share,9:f2} {$"{Percent(top1.Low)} to {Percent(top1.High)}",15} {100 * top5.Share,9:f2}{more}"));
        }
    }

    private static void Cells(Terminal terminal, string name, IEnumerable<string> cells) =>
        terminal.Say($"  {name,-10}{string.Concat(cells.Select(cell => $" {cell,6}"))}");

    private static string Percent(double share) => FormattableString.Invariant($"{100 * share:f2}");

    /// <summary>What an evaluation by vectors takes.</summary>
    // One object, made when the work begins: a delegate that takes these one by one names TorchSharp's device, and making it loads libtorch, for each verb's help too.
    private sealed record FeatureWork(
        ParseResult Parsed, PretrainedEncoder Model, ImageSet Images, MeasuredSplit Split, int? Limit, IReadOnlyList<FeatureKind> Others, ulong Seed, torch.Device Device, FeatureCache Cache,
        IProgress<EvaluationPhase> Progress, CancellationToken Cancellation);
}
