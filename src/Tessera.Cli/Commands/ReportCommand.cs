using Tessera.Cli.Console;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary><c>tessera report</c>: a run as one page.</summary>
internal static class ReportCommand
{
    public static Verb Build(Terminal terminal)
    {
        var command = new Verb("report", "Write a run as one page that needs no other file: figures, curves, pictures, evaluations, options, commands.", "tessera report runs/pictures");
        var run = CommonOptions.FileArgument<string>("RUN", "A run directory, of a run that has ended or goes on");
        command.Add(run);
        command.SetAction(parsed =>
        {
            var file = Path.GetFullPath(Write(parsed.GetValue(run)!));
            terminal.Say(FormattableString.Invariant($"{file} ({new FileInfo(file).Length / 1e6:f1} MB)"));
            terminal.Result(new Reported(file));
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>Writes the page of a run.</summary>
    public static string Write(string folder)
    {
        var options = PretrainRun.ReadRunOptions(folder);
        var switches = new PretrainOptionSet().SwitchesOf(options);
        var name = Path.GetFileName(Path.GetFullPath(folder).TrimEnd(Path.DirectorySeparatorChar));
        return RunReport.Write(folder,
        [
            $"tessera pretrain {string.Join(' ', switches.Select(CommonOptions.Quoted))} --out {CommonOptions.Quoted(name)}",
            $"tessera evaluate all --model {CommonOptions.Quoted(name)} --data {CommonOptions.Quoted(options.Data.Source)}",
            $"tessera report {CommonOptions.Quoted(name)}",
        ]);
    }

    private sealed record Reported(string File);
}
