using Tessera.Cli.Commands;
using Tessera.Cli.Console;
using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Ranks;
using Tessera.Runtime;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Cli;

/// <summary>The program's exit codes, and the one line that goes with each failure.</summary>
internal static class ExitCode
{
    public const int Done = 0;
    public const int Failed = 1;
    public const int WrongUsage = 2;
    public const int Interrupted = 130; // 128 + SIGINT, as shells have it

    /// <summary>Says in one line what went wrong; with --verbose, where in the program too.</summary>
    /// <param name="error">What was thrown.</param>
    /// <param name="terminal">Where it is said.</param>
    /// <param name="verb">What was to be done.</param>
    /// <param name="where">Said before it: which of several processes it befell.</param>
    public static int Explain(Exception error, Terminal terminal, string verb, string where = "")
    {
        if (error is OperationCanceledException)
        {
            terminal.Note($"tessera: {where}interrupted.");
            return Interrupted;
        }
        terminal.Note($"tessera: {where}{WithSwitches(error, OneLine(error), verb)}");
        if (terminal.Verbose) terminal.Note(error.ToString());
        return error is UsageException or OptionsException or ComputeDeviceException ? WrongUsage : Failed;
    }

    /// <summary>The library names options; here is how to set them.</summary>
    private static string WithSwitches(Exception error, string message, string verb)
    {
        if (error is not INamesOptions { Options: { Count: > 0 } options }) return message;
        if (options.Select(ImportCommand.Switch).OfType<string>().ToList() is { Count: > 0 } told)
            return $"{message.TrimEnd('.')} (tessera import FILE -o OUT, with {string.Join(" and ", told)}).";
        Func<string, string?> ofRun = verb == "finetune" ? new FinetuneOptionSet().Switch : new PretrainOptionSet().Switch;
        var switches = options.Select(o => o is "Resume" or "Out" ? $"--{o.ToLowerInvariant()}" : o == "Init" && verb == "finetune" ? "--model" : ofRun(o)).OfType<string>().ToList();
        return switches.Count == 0 ? message : $"{message.TrimEnd('.')} ({string.Join(", ", switches)}).";
    }

    private static string OneLine(Exception error)
    {
        var message = error.Message.Split('\n')[0].Trim();
        var expected = error is UsageException or OptionsException or ComputeDeviceException or LibTorchException or RunDirectoryException
            or DeviceMemoryException or TrainingDivergedException or RanksException or ModelFileException or VectorException or ImagingException or IOException or UnauthorizedAccessException;
        return expected ? message : $"{error.GetType().Name}: {message} (--verbose shows where)";
    }
}
