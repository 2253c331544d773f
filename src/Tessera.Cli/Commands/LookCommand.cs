using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Evaluation;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera look</c>: what an encoder sees in pictures.</summary>
internal static class LookCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("look", "Draw what an encoder sees in pictures: where its last block looks, and the first three principal components of its patches as colours.",
            "tessera look --model tessera-tiny cat.jpg dog.png -o look.png");
        var pictures = CommonOptions.FileArgument<string[]>("IMAGE", "Picture files");
        pictures.Arity = ArgumentArity.OneOrMore;
        var model = CommonOptions.Model();
        var output = new Option<string>("--out", "-o") { Description = "The PNG file to write", DefaultValueFactory = _ => "look.png", HelpName = "FILE" };
        var device = CommonOptions.Device();
        command.Add(pictures);
        foreach (var option in new Option[] { model, output, device }) command.Add(option);
        command.SetAction(parsed =>
        {
            var files = parsed.GetValue(pictures)!;
            var file = CommonOptions.PngBeside(files, parsed.GetValue(output)!);
            var target = CommonOptions.Prepared(parsed.GetValue(device)!);
            using var loaded = ModelFile.LoadEncoder(parsed.GetValue(model)!, target);
            EncoderFigure.Save(file, loaded, files, target);
            terminal.Say($"{files.Length} looked at: {Path.GetFullPath(file)}");
            terminal.Result(new Looked(Path.GetFullPath(file), files.Length));
            return ExitCode.Done;
        });
        return command;
    }

    private sealed record Looked(string File, int Pictures);
}
