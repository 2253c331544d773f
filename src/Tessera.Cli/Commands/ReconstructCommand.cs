using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Evaluation;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera reconstruct</c>: pictures as they are, masked, and restored.</summary>
internal static class ReconstructCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("reconstruct", "Draw pictures as they are, masked, and restored by a model.",
            "tessera reconstruct --model runs/pictures cat.jpg dog.png -o restored.png");
        var model = CommonOptions.Model();
        var pictures = CommonOptions.FileArgument<string[]>("IMAGE", "Picture files");
        pictures.Arity = ArgumentArity.OneOrMore;
        var output = new Option<string>("--out", "-o") { Description = "The PNG file to write", DefaultValueFactory = _ => "reconstruction.png", HelpName = "FILE" };
        var masks = new MaskOptionSet();
        var device = CommonOptions.Device();
        command.Add(pictures);
        foreach (var option in new Option[] { model, output, device }) command.Add(option);
        masks.AddTo(command);

        command.SetAction(parsed =>
        {
            var file = CommonOptions.PngBeside(parsed.GetValue(pictures)!, parsed.GetValue(output)!);
            var target = CommonOptions.Prepared(parsed.GetValue(device)!);
            using var loaded = ModelFile.Load(parsed.GetValue(model)!, target);
            var sampler = masks.Sampler(parsed, loaded);
            var result = PictureReconstruction.Save(file, loaded, parsed.GetValue(pictures)!, sampler, target);
            BrokenPictures.Tell(terminal, result.Broken);
            terminal.Say($"{result.Restored} restored: {Path.GetFullPath(file)}");
            terminal.Result(result);
            return result.Broken.Count == 0 ? ExitCode.Done : ExitCode.Failed; // each was asked for by name
        });
        return command;
    }
}
