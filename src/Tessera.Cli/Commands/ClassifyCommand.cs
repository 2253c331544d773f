using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Embeddings;
using Tessera.Evaluation;
using Tessera.Features;
using Tessera.Imaging;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera classify</c>: names of pictures, with probabilities.</summary>
internal static class ClassifyCommand
{
    private const int TopOfFiles = 3, TopOfSource = 1;

    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("classify", "Name pictures with a classifier, and say how sure it is; what looks like none of its classes is marked.",
            "tessera classify --model runs/pictures cat.jpg dog.png",
            "tessera classify --model runs/pictures --data pictures/ -o names.csv");
        var files = CommonOptions.FileArgument<string[]>("IMAGE", "Picture files");
        files.Arity = ArgumentArity.ZeroOrMore;
        var options = new PictureOptionSet(isDataRequired: false);
        var top = CommonOptions.Value<int?>("--top", "K", $"Classes to name for each picture [default: {TopOfFiles}, of a source {TopOfSource}]");
        var output = CommonOptions.Value<string?>("--out", "FILE", "A .csv file to write the names to, in place of a table");
        output.Aliases.Add("-o");
        command.Add(files);
        options.AddTo(command, top, output);
        command.SetAction(parsed =>
        {
            var (pictures, table) = (parsed.GetValue(files) ?? [], parsed.GetValue(output));
            var ofSource = options.NamesData(parsed);
            if (pictures.Length > 0 == ofSource) throw new UsageException("Name the pictures: files, or a source with --data SOURCE.");
            if (pictures.FirstOrDefault(Directory.Exists) is { } folder) throw new UsageException($"{folder} is a folder: give it with --data.");
            if (parsed.GetValue(top) < 1) throw new UsageException("--top must be at least 1.");
            if (table is not null) CommonOptions.FileEndingWith(".csv", table);
            var named = parsed.GetValue(top) ?? (ofSource ? TopOfSource : TopOfFiles);

            using var signals = new InterruptSignals(terminal);
            var (model, device, precision) = options.Computation(parsed);
            using var classifier = PictureClassifier.Load(model, device, precision);
            var broken = new List<BrokenImage>();
            var (answers, report) = ofSource
                ? OfSource(terminal, parsed, options, classifier, named, signals.Token)
                : (classifier.Classify(pictures, named, broken, signals.Token), null);
            BrokenPictures.Tell(terminal, broken);
            if (table is not null)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(table))!);
                ClassificationTable.Write(table, answers);
                terminal.Say($"{answers.Count} pictures named: {Path.GetFullPath(table)}");
            }
            AnswersView.Show(terminal, answers, report, classifier.Classes, withTable: table is null);
            terminal.Result(new Named(
                Path.GetFullPath(classifier.File), classifier.Classes.Familiarity, answers, report, broken, table is null ? null : Path.GetFullPath(table)));
            return broken.Count == 0 ? ExitCode.Done : ExitCode.Failed;
        });
        return command;
    }

    private static (IReadOnlyList<Classification> Answers, AnswerReport? Report) OfSource(
        Terminal terminal, ParseResult parsed, PictureOptionSet options, PictureClassifier classifier, int named, CancellationToken cancellation)
    {
        var (images, meant) = options.Open(terminal, parsed, classifier.Description, cancellation);
        using var owned = images;
        var told = images.Broken.Count;
        var answers = ProgressBar.While(terminal, "classifying", progress => classifier.Classify(
            images, meant, Math.Max(named, AnswerReport.Most), new Relay<int>(done => progress.Report((done, meant.Length, ""))), cancellation));
        var sound = PictureOptionSet.Sound(terminal, images, [.. answers.Select(a => a.Picture)], told);
        answers = [.. sound.Select(row => answers[row])];
        var report = AnswerReport.Of(answers, images, [.. sound.Select(row => meant[row])], classifier.Classes);
        return ([.. answers.Select(a => a with { Classes = [.. a.Classes.Take(named)] })], report);
    }

    private sealed record Named(
        string Model, Familiarity? Familiarity, IReadOnlyList<Classification> Pictures, AnswerReport? Report, IReadOnlyList<BrokenImage> Broken, string? File);
}
