using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Evaluation;
using Tessera.Figures;
using Tessera.Runtime;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera map</c>: a source's pictures laid out by what the encoder finds alike.</summary>
internal static class MapCommand
{
    private const int StandardPictures = 2000;

    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("map", "Draw a source's pictures on a map, where those that the encoder finds alike lie together.", "tessera map --model tessera-tiny --data pictures/ -o map.png");
        var options = new EmbeddingOptionSet(limitWords: $"default: {StandardPictures}");
        var output = new Option<string>("--out", "-o") { Description = "The PNG file to write", DefaultValueFactory = _ => "map.png", HelpName = "FILE" };
        var layout = CommonOptions.Words("--layout", "t-SNE, or the first two principal components", MapLayout.Tsne);
        options.AddTo(command);
        command.Add(output);
        command.Add(layout);
        command.SetAction(parsed =>
        {
            var file = CommonOptions.FileEndingWith(".png", parsed.GetValue(output)!);
            using var signals = new InterruptSignals(terminal);
            using var encoder = options.Load(parsed);
            var (images, meant) = options.Open(terminal, parsed, encoder, signals.Token, StandardPictures);
            using var owned = images;
            var (set, pictures) = options.Vectors(terminal, parsed, encoder, images, meant, signals.Token);
            if (pictures.Length < 2) throw new OptionsException([$"there are {pictures.Length} pictures: a map takes two or more"]);
            var places = ProgressBar.While(terminal, "laying out", progress =>
                PictureMap.Place(set.Vectors, parsed.GetValue(layout), new Relay<int>(done => progress.Report((done, 1000, ""))), signals.Token));
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
            PictureMap.Save(file, places, row => RgbImage.Of(images, pictures[row]));
            terminal.Say($"{set.Count} pictures: {Path.GetFullPath(file)}");
            terminal.Result(new Mapped(Path.GetFullPath(file), [.. set.Names.Select((name, row) => new Place(name, set.ClassOf(row), places[2 * row], places[2 * row + 1]))]));
            return ExitCode.Done;
        });
        return command;
    }

    private sealed record Mapped(string File, IReadOnlyList<Place> Places);

    private sealed record Place(string Name, string? Class, float X, float Y);
}
