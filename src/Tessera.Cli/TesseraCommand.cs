using System.CommandLine;
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
        terminal.Json = IsOn(parsed, CommonOptions.Json);
        terminal.Verbose = IsOn(parsed, CommonOptions.Verbose);
        if (parsed.Errors.Count > 0 && parsed.Action is not { ClearsParseErrors: true })
        {
            terminal.Note($"tessera: {Faults(parsed)} See tessera {Path(parsed)}--help.");
            return ExitCode.WrongUsage;
        }
        try
        {
            RequireValues(arguments);
            // Exceptions and signals are ours: an error is one line, and an interrupt ends the step and saves it.
            return parsed.Invoke(new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
                Output = terminal.Output,
                Error = terminal.ErrorWriter,
            });
        }
        catch (Exception e)
        {
            return ExitCode.Explain(e, terminal, parsed.CommandResult.Command.Name);
        }
    }

    private static RootCommand Build(Terminal terminal)
    {
        var root = new RootCommand("Tessera: self-supervised vision. Hides most patches of a picture, learns to restore them, and so learns to see.")
        {
            HelpName = "tessera",
        };
        root.Add(CommonOptions.Json);
        root.Add(CommonOptions.Verbose);
        root.Add(PretrainCommand.Build(terminal));
        root.Add(FinetuneCommand.Build(terminal));
        root.Add(ClassifyCommand.Build(terminal));
        root.Add(ReconstructCommand.Build(terminal));
        root.Add(EvaluateCommand.Build(terminal));
        root.Add(EmbedCommand.Build(terminal));
        root.Add(SearchCommand.Build(terminal));
        root.Add(CurateCommand.Build(terminal));
        root.Add(LookCommand.Build(terminal));
        root.Add(MapCommand.Build(terminal));
        root.Add(ReportCommand.Build(terminal));
        root.Add(BenchCommand.Build(terminal));
        root.Add(InfoCommand.Build(terminal));
        root.Add(ModelsCommand.Build(terminal));
        root.Add(ImportCommand.Build(terminal));
        root.Add(ExportCommand.Build(terminal));
        root.Add(DataCommand.Build(terminal));
        root.Add(EnvCommand.Build(terminal));
        Verb.ShowExamples(root, ["tessera pretrain --data pictures/", "tessera pretrain --help"], terminal.Width);
        return root;
    }

    /// <summary>Refuses an empty argument, such as a shell's variable that is not set: no option and no file means anything by it.</summary>
    private static void RequireValues(IReadOnlyList<string> arguments)
    {
        for (var i = 0; i < arguments.Count; i++)
        {
            if (string.IsNullOrWhiteSpace(arguments[i]))
                throw new UsageException(i == 0 ? "The first argument is empty." : $"The argument after {arguments[i - 1]} is empty.");
        }
    }

    /// <summary>Everything that is wrong, in one line.</summary>
    private static string Faults(ParseResult parsed)
    {
        var command = parsed.CommandResult.Command;
        var verbs = string.Join(", ", command.Subcommands.Select(c => c.Name));
        // A command that does something itself was most likely meant to, unless a word stands where another command's would.
        var isMeant = command.Action is not null && (parsed.UnmatchedTokens is not [var first, ..] || first.StartsWith('-'));
        var faults = verbs.Length == 0 || isMeant ? parsed.Errors.Select(e => e.Message)
            : parsed.UnmatchedTokens is [var word, ..] ? [Ours(command, word) is { } ours ? $"There is no '{word}': here it is {ours}." : $"There is no '{word}': choose {verbs}."]
            : [$"Say what to do: {verbs}."];
        return string.Join(' ', faults.SelectMany(f => f.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)));
    }

    /// <summary>What a verb of other tools, typed by habit, is called here; null: it is none that is known.</summary>
    private static string? Ours(Command command, string word) => command is not RootCommand ? null : word.ToLowerInvariant() switch
    {
        "train" or "fit" => "pretrain",
        "predict" or "infer" or "inference" => "classify, or reconstruct",
        "label" or "recognize" or "recognise" or "name" => "classify",
        "restore" or "inpaint" => "reconstruct",
        "val" or "validate" or "eval" or "test" => "evaluate",
        "extract" or "features" or "encode" or "vectors" => "embed",
        "find" or "query" or "retrieve" or "similar" => "search",
        "benchmark" or "profile" => "bench",
        "convert" => "import, or export",
        "load" => "import",
        "save" => "export",
        "summary" or "describe" or "inspect" => "info, or data inspect for pictures",
        "download" or "fetch" => "data fetch",
        _ => null,
    };

    private static bool IsOn(ParseResult parsed, Option<bool> option) => parsed.GetResult(option) is { Implicit: false };

    private static string Path(ParseResult parsed)
    {
        var names = new Stack<string>();
        for (var result = parsed.CommandResult; result.Parent is System.CommandLine.Parsing.CommandResult parent; result = parent)
            names.Push(result.Command.Name);
        return string.Concat(names.Select(n => n + " "));
    }
}
