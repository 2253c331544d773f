using Tessera.Cli.Console;
using Tessera.Runs;
using Tessera.Training;

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
        var name = Path.GetFileName(Path.GetFullPath(folder).TrimEnd(Path.DirectorySeparatorChar));
        return RunReport.Write(folder, RunDirectory.JobOf(folder) == FinetuneOptions.JobName
            ? OfClassifier(FinetuneRun.ReadRunOptions(folder), CommonOptions.Quoted(name)) : OfEncoder(PretrainRun.ReadRunOptions(folder), CommonOptions.Quoted(name)));
    }

    private static string[] OfEncoder(PretrainOptions options, string name) =>
    [
        $"tessera pretrain {Words(new PretrainOptionSet().SwitchesOf(options))} --out {name}",
        $"tessera evaluate all --model {name} --data {CommonOptions.Quoted(options.Data.Source)}",
        $"tessera report {name}",
    ];

    private static string[] OfClassifier(FinetuneOptions options, string name) =>
    [
        $"tessera finetune {Words(new FinetuneOptionSet().SwitchesOf(options))} --out {name}",
        $"tessera classify --model {name} PICTURE.jpg",
        $"tessera export --model {name} --format onnx --out {name}.onnx",
        $"tessera report {name}",
    ];

    private static string Words(IEnumerable<string> switches) => string.Join(' ', switches.Select(CommonOptions.Quoted));

    private sealed record Reported(string File);
}
