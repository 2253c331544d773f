using Tessera.Cli.Console;
using Tessera.Weights;
using Tessera.Weights.Layouts;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera export</c>: a model's weights as other projects read them.</summary>
internal static class ExportCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("export", "Write a model's weights under another project's names.",
            "tessera export --model tessera-tiny --format timm -o tiny.safetensors",
            "tessera export --model runs/mae --format huggingface -o mae-hf/");
        var model = CommonOptions.Model();
        var format = CommonOptions.Words("--format", "Whose names: Tessera's, MAE's, timm's, Hugging Face's (a folder), or Tessera's as a PyTorch state dict", ExportFormat.Tessera);
        format.Required = true;
        var output = CommonOptions.Value<string>("--out", "OUT", "The file to write, .safetensors or .pth, or for Hugging Face the folder");
        output.Aliases.Add("-o");
        output.Required = true;
        var type = CommonOptions.Words("--type", "What each value is rounded to", WeightType.F32);
        command.Add(model);
        command.Add(format);
        command.Add(output);
        command.Add(type);
        command.SetAction(parsed =>
        {
            var (from, to, wanted) = (parsed.GetValue(model)!, parsed.GetValue(output)!, parsed.GetValue(format));
            if (ModelExport.NameFault(to, wanted) is { } fault) throw new UsageException($"--out is {fault}.");
            if (ModelFile.Find(from) is var file && Path.GetFullPath(file) == Path.GetFullPath(to)) throw new UsageException("--out is the model itself: choose another file.");
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(to))!);
            var exported = ModelExport.Export(from, to, wanted, parsed.GetValue(type) switch
            {
                WeightType.F16 => SafetensorsType.F16,
                WeightType.Bf16 => SafetensorsType.BF16,
                _ => SafetensorsType.F32,
            });
            foreach (var note in exported.Notes) terminal.Note(note);
            foreach (var written in exported.Files) terminal.Say(Path.GetFullPath(written));
            terminal.Result(exported);
            return ExitCode.Done;
        });
        return command;
    }

    private enum WeightType
    {
        F32,
        F16,
        Bf16,
    }
}
