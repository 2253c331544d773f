using Spectre.Console;
using Tessera.Cli.Console;

namespace Tessera.Cli.Tests.Fixtures;

/// <summary>Runs the <c>tessera</c> command within the test.</summary>
internal static class CommandLine
{
    /// <summary>Runs a command line where nobody watches.</summary>
    public static Outcome Run(params string[] arguments)
    {
        using StringWriter output = new(), error = new();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(error) });
        return new Outcome(TesseraCommand.Run(arguments, new Terminal(output, console, isInteractive: false)), output.ToString(), error.ToString());
    }

    /// <summary>Runs a command line as on a terminal that knows ANSI's codes; they are part of what standard error holds.</summary>
    public static Outcome RunWatched(params string[] arguments)
    {
        using StringWriter output = new(), error = new();
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(error),
            Ansi = AnsiSupport.Yes,
            Interactive = InteractionSupport.Yes,
        });
        console.Profile.Width = 100;
        return new Outcome(TesseraCommand.Run(arguments, new Terminal(output, console, isInteractive: true)), output.ToString(), error.ToString());
    }
}
