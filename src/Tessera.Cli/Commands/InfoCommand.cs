using Tessera.Cli.Console;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera info</c>: what a model is. It reads the file's header alone, without libtorch.</summary>
internal static class InfoCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("info", "Say what a model is: architecture, parameters, how it was trained.", "tessera info runs/pictures");
        var path = CommonOptions.FileArgument<string>("MODEL", CommonOptions.ModelWords);
        command.Add(path);
        command.SetAction(parsed =>
        {
            var info = ModelInfo.Read(parsed.GetValue(path)!);
            ModelView.Show(terminal, ModelView.Whole(info));
            terminal.Result(info);
            return ExitCode.Done;
        });
        return command;
    }
}
