using System.Runtime.InteropServices;
using Tessera.Cli.Console;
using Tessera.Ranks;
using Tessera.Training;

namespace Tessera.Cli.Commands;

/// <summary>A training as one of the ranks that a launcher (mpirun, mpiexec, srun) started: the first speaks for all, and what ends one ends all.</summary>
internal static class RankedProcess
{
    /// <summary>Does a rank's work.</summary>
    /// <param name="terminal">Where the first rank speaks; the others keep quiet.</param>
    /// <param name="verb">What is done, for errors.</param>
    /// <param name="work">Trains; gets the ranks, which are one where no launcher started this process.</param>
    /// <returns>The exit code.</returns>
    public static int Run(Terminal terminal, string verb, Func<Communicator, int> work)
    {
        Communicator joined;
        try { joined = Communicator.FromLauncher(loss => End(terminal, loss.Message)); }
        catch (OtherRankException) { return ExitCode.Failed; } // that one tells it
        using var ranks = joined;
        if (ranks.IsAlone) return work(ranks);
        if (!ranks.IsFirst) terminal.QuietFor = ranks.Name(ranks.Rank);
        terminal.Note(ranks.Description);
        try
        {
            return work(ranks);
        }
        catch (Exception e) when (ranks.EndsTogether)
        {
            if (e is OtherRankException || (e is TrainingDivergedException or OperationCanceledException && !ranks.IsFirst)) return ExitCode.Failed;
            terminal.QuietFor = null;
            return ExitCode.Explain(e, terminal, verb);
        }
        catch (Exception e)
        {
            // The others may wait for this rank without end: they end with it, and MPI is not asked to part in peace.
            terminal.QuietFor = null;
            ranks.Fail();
            EndNow(ExitCode.Explain(e, terminal, verb, $"{ranks.Name(ranks.Rank)}, step {ranks.StepsMade}: "));
            throw;
        }
    }

    private static void End(Terminal terminal, string? message)
    {
        terminal.QuietFor = null;
        if (message is not null) terminal.Note($"tessera: {message}");
        EndNow(ExitCode.Failed);
    }

    /// <summary>Ends this process whatever its threads wait for, without the library's own farewell, which would wait as well.</summary>
    private static void EndNow(int code)
    {
        System.Console.Out.Flush();
        System.Console.Error.Flush();
        if (OperatingSystem.IsWindows()) Environment.Exit(code);
        else _exit(code);
    }

    [DllImport("libc")]
    private static extern void _exit(int code);
}
