using Spectre.Console;
using Tessera.Cli;
using Tessera.Cli.Console;

// A file or a pipe that takes no more is a failure; a terminal that takes no more was closed.
var output = Console.IsOutputRedirected ? Console.Out : new ClosableWriter(Console.Out);
var error = Console.IsErrorRedirected ? Console.Error : new ClosableWriter(Console.Error);
var terminal = new Terminal(output, AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(error) }),
    isInteractive: !Console.IsErrorRedirected);
return TesseraCommand.Run(args, terminal);
