using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Tessera.Cli.Tests.Fixtures;

/// <summary>The command as a process of its own, where signals or loaded libraries matter.</summary>
internal sealed class TesseraProcess : IDisposable
{
    private readonly Process process;
    private readonly Task<string> output;

    /// <param name="arguments">The command line.</param>
    /// <param name="environment">Variables that differ from the test's own.</param>
    public TesseraProcess(IEnumerable<string> arguments, params (string Name, string Value)[] environment)
        : this(AppContext.BaseDirectory, arguments, environment)
    {
    }

    /// <param name="program">The folder that the program lies in, where it is not the test's own.</param>
    /// <param name="arguments">The command line.</param>
    /// <param name="environment">Variables that differ from the test's own.</param>
    public TesseraProcess(string program, IEnumerable<string> arguments, params (string Name, string Value)[] environment)
        : this(new ProcessStartInfo("dotnet", [Program(program), .. arguments]), environment)
    {
    }

    private TesseraProcess(ProcessStartInfo start, (string Name, string Value)[] environment)
    {
        start.RedirectStandardError = start.RedirectStandardOutput = true;
        start.Environment["OMP_NUM_THREADS"] = "1"; // the models are too small for more, and sums come out the same everywhere
        foreach (var (name, value) in environment) start.Environment[name] = value;
        process = Process.Start(start)!;
        output = process.StandardOutput.ReadToEndAsync();
    }

    /// <summary>Begins it as nohup does: told to ignore that its terminal closes.</summary>
    public static TesseraProcess WithoutHangUp(IEnumerable<string> arguments) =>
        new(new ProcessStartInfo("sh", ["-c", "trap '' HUP; exec dotnet \"$@\"", "sh", Program(AppContext.BaseDirectory), .. arguments]), []);

    /// <summary>Begins it by another program, such as a launcher of several.</summary>
    public static TesseraProcess By(string program, IEnumerable<string> arguments, params (string Name, string Value)[] environment) =>
        new(new ProcessStartInfo(program, arguments), environment);

    public static Outcome Run(IEnumerable<string> arguments, params (string Name, string Value)[] environment)
    {
        using var process = new TesseraProcess(arguments, environment);
        return process.Finish();
    }

    /// <summary>Waits for a line on standard error that begins so.</summary>
    public void WaitFor(string beginning)
    {
        var seen = new List<string>();
        while (process.StandardError.ReadLine() is { } line)
        {
            if (line.StartsWith(beginning, StringComparison.Ordinal)) return;
            seen.Add(line);
        }
        throw new InvalidOperationException($"The process ended without a line '{beginning}': {string.Join('\n', seen)}");
    }

    /// <summary>The full paths of the files that it has mapped into its memory (Linux alone).</summary>
    public IReadOnlySet<string> MappedFiles() =>
        File.ReadLines($"/proc/{process.Id}/maps").Select(line => line.IndexOf('/') is var start and >= 0 ? line[start..] : "").ToHashSet();

    public static string Program(string folder) => Path.Join(folder, "Tessera.Cli.dll");

    public bool HasExited => process.HasExited;

    public void Kill() => process.Kill();

    public void Signal(int signal) => Signal(process.Id, signal);

    public static void Signal(int process, int signal) => kill(process, signal).ShouldBe(0);

    /// <summary>Waits for the end; standard error is what came after the last line that was waited for.</summary>
    public Outcome Finish()
    {
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return new Outcome(process.ExitCode, output.GetAwaiter().GetResult(), error);
    }

    public void Dispose()
    {
        if (!process.HasExited) process.Kill();
        process.Dispose();
    }

    [DllImport("libc", SetLastError = true)]
    private static extern int kill(int process, int signal);
}
