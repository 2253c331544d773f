using Spectre.Console;
using Tessera.Cli;
using Tessera.Cli.Console;

var terminal = new Terminal(Console.Out, AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) }),
    isInteractive: !Console.IsErrorRedirected);
return TesseraCommand.Run(args, terminal);
