using System.Diagnostics;
using System.Globalization;

namespace Tessera.Kills;

/// <summary>The <c>tessera</c> command in a process of its own.</summary>
internal sealed class CommandProcess : IDisposable
{
    private readonly Process process;
    private readonly Task<string> output, error;

    /// <param name="arguments">The command line.</param>
    /// <param name="mostKilobytes">The largest file that it may write; null: any.</param>
    /// <param name="environment">Variables that differ from this process's own.</param>
    public CommandProcess(IEnumerable<string> arguments, long? mostKilobytes = null, params (string Name, string Value)[] environment)
    {
        string[] command = [Path.Join(AppContext.BaseDirectory, "Tessera.Cli.dll"), .. arguments];
        var start = mostKilobytes is { } most ? Limited(most, command) : new ProcessStartInfo("dotnet", command);
        start.RedirectStandardError = start.RedirectStandardOutput = true;
        start.Environment["OMP_NUM_THREADS"] = "1"; // the models are too small for more, and sums come out the same everywhere
        foreach (var (name, value) in environment) start.Environment[name] = value;
        process = Process.Start(start)!;
        (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
    }

    /// <summary>Waits for the end.</summary>
    public CommandOutcome Finish()
    {
        process.WaitForExit();
        return new CommandOutcome(process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }

    /// <summary>Waits until it has ended, at most so long.</summary>
    public bool HasEndedWithin(TimeSpan time) => process.WaitForExit(time);

    /// <summary>What it holds in memory that is no file's: <c>RssAnon</c>, which Linux alone tells; null: it has ended.</summary>
    public long? AnonymousBytes()
    {
        const string name = "RssAnon:", unit = "kB";
        try
        {
            return File.ReadLines($"/proc/{process.Id}/status").FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal)) is { } line
                ? 1024 * long.Parse(line[name.Length..^unit.Length], CultureInfo.InvariantCulture) : null;
        }
        catch (IOException) when (process.HasExited)
        {
            return null;
        }
    }

    /// <summary>Ends it as <c>kill -9</c> does: it learns nothing of it.</summary>
    public void Kill() => process.Kill();

    public void Dispose()
    {
        if (!process.HasExited) process.Kill();
        process.Dispose();
    }

    /// <summary>A shell's limit of files' sizes, past which writing fails as on a full disk; the signal that would end the process instead is ignored.</summary>
    private static ProcessStartInfo Limited(long most, string[] command)
    {
        var blocks = (2 * most).ToString(CultureInfo.InvariantCulture); // of 512 bytes, as POSIX counts
        var start = new ProcessStartInfo("sh", ["-c", "trap '' XFSZ; ulimit -f $1; shift; exec dotnet \"$@\"", "sh", blocks, .. command]);
        start.Environment["DOTNET_EnableWriteXorExecute"] = "0"; // else the runtime makes a large file in memory for its code
        return start;
    }
}

/// <summary>How a command ended.</summary>
/// <param name="Code">Its exit code.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
internal sealed record CommandOutcome(int Code, string Output, string Error)
{
    /// <summary>The last line for people.</summary>
    public string LastError => Error.TrimEnd().Split('\n')[^1];
}
