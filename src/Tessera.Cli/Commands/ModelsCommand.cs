using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera models</c>: the models that ship, of their headers alone, and how a trained one becomes one of them.</summary>
internal static class ModelsCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("models", "List the models that ship with Tessera; a name serves wherever a model is asked for.",
            "tessera models", "tessera models pack runs/tiny -o models/tessera-tiny.safetensors --fact \"k-NN=17.2 %\"");
        command.Add(Pack(terminal));
        command.SetAction(_ =>
        {
            var shipped = ShippedModels.Default;
            var models = shipped.Read();
            if (models.Count == 0) terminal.Say($"No model ships with this build: {shipped.Folder} holds none.");
            foreach (var (name, model) in models)
            {
                terminal.Say(name);
                ModelView.Show(terminal, ModelView.Brief(model), indent: "  ");
            }
            terminal.Result(new Listed(shipped.Folder, models));
            return ExitCode.Done;
        });
        return command;
    }

    private static Verb Pack(Terminal terminal)
    {
        var command = new Verb("pack", "Write a trained model as it ships: encoder and decoder in BF16, and in its header what was measured of it.",
            "tessera models pack runs/tiny -o models/tessera-tiny.safetensors --fact \"k-NN=17.2 %\" --fact \"linear=24.0 %\"");
        var model = CommonOptions.FileArgument<string>("MODEL", CommonOptions.ModelWords);
        var output = new Option<string>("--out", "-o") { Description = "The file to write", Required = true, HelpName = "FILE" };
        var facts = new Option<string[]>("--fact") { Description = "What the file shall say besides, such as an accuracy in %; may be given more than once", HelpName = "NAME=WORDS" };
        command.Add(model);
        foreach (var option in new Option[] { output, facts }) command.Add(option);
        command.SetAction(parsed =>
        {
            var file = CommonOptions.FileEndingWith(".safetensors", parsed.GetValue(output)!);
            var words = new Dictionary<string, string>();
            foreach (var fact in parsed.GetValue(facts) ?? [])
            {
                if (fact.Split('=', 2, StringSplitOptions.TrimEntries) is not [{ Length: > 0 } name, { Length: > 0 } value])
                    throw new UsageException($"--fact is '{fact}': write NAME=WORDS, such as \"k-NN=17.2 %\".");
                words[name] = value;
            }
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(file))!);
            ModelFile.Convert(parsed.GetValue(model)!, file, SafetensorsType.BF16, words);
            var info = ModelInfo.Read(file);
            terminal.Say($"{file}: {ModelView.Size(info)}");
            if (info.Bytes > ShippedModels.MostBytes) terminal.Note($"that is more than the {ShippedModels.MostBytes / 1_000_000} MB that a model that ships may have");
            if (info.Card is null) terminal.Note($"it has no card yet: write {Path.ChangeExtension(file, ".md")}");
            terminal.Result(info);
            return ExitCode.Done;
        });
        return command;
    }

    private sealed record Listed(string Folder, IReadOnlyList<ShippedModel> Models);
}
