using System.CommandLine;
using System.CommandLine.Help;
using Tessera.Cli.Commands;
using Tessera.Cli.Console;

namespace Tessera.Cli;

/// <summary>The <c>tessera</c> command: its verbs, its exit codes, and how it speaks of errors.</summary>
internal static class TesseraCommand
{
    /// <summary>Runs one command line.</summary>
    /// <returns>0 done, 1 the work failed, 2 wrong usage, 130 interrupted.</returns>
    public static int Run(IReadOnlyList<string> arguments, Terminal terminal)
    {
        var parsed = Build(terminal).Parse(arguments);
        terminal.Json = parsed.GetResult(CommonOptions.Json) is not null;
        terminal.Verbose = parsed.GetResult(CommonOptions.Verbose) is not null;
        if (parsed.Errors.Count > 0 && parsed.Action is not HelpAction)
        {
            terminal.Note($"tessera: {string.Join(" ", parsed.Errors.Select(e => e.Message))} See tessera {Verb(parsed)}--help.");
            return ExitCode.WrongUsage;
        }
        try
        {
            // Exceptions and signals are ours: an error is one line, and an interrupt ends the step and saves it.
            return parsed.Invoke(new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
                Output = terminal.Output,
                Error = terminal.Error.Profile.Out.Writer,
            });
        }
        catch (Exception e)
        {
            return ExitCode.Explain(e, terminal);
        }
    }

    private static RootCommand Build(Terminal terminal)
    {
        var root = new RootCommand("Tessera: self-supervised vision. Hides most patches of a picture, learns to restore them, and so learns to see.\n\nExample:\n  tessera pretrain --data pictures/")
        {
            HelpName = "tessera",
        };
        root.Add(CommonOptions.Json);
        root.Add(CommonOptions.Verbose);
        root.Add(PretrainCommand.Build(terminal));
        root.Add(ReconstructCommand.Build(terminal));
        root.Add(EvaluateCommand.Build(terminal));
        root.Add(InfoCommand.Build(terminal));
        root.Add(DataCommand.Build(terminal));
        return root;
    }

    private static string Verb(ParseResult parsed)
    {
        var names = new Stack<string>();
        for (var result = parsed.CommandResult; result.Parent is System.CommandLine.Parsing.CommandResult parent; result = parent)
            names.Push(result.Command.Name);
        return string.Concat(names.Select(n => n + " "));
    }
}
