using System.Diagnostics;

namespace Tessera.Tests.Weights.PyTorch;

/// <summary>PyTorch, where Debian's <c>python3-torch</c> is installed; tests that need it are skipped elsewhere.</summary>
internal static class PyTorchItself
{
    private const string Python = "/usr/bin/python3";

    private static readonly Lazy<bool> Installed = new(() => File.Exists(Python) && Start("import torch").ExitCode == 0);

    /// <summary>Runs a program and gives what it printed.</summary>
    public static string Run(string program, params string[] arguments)
    {
        Assert.SkipUnless(Installed.Value, "Debian's python3-torch is not installed");
        var (code, output, error) = Start(program, arguments);
        code.ShouldBe(0, error);
        return output;
    }

    private static (int ExitCode, string Output, string Error) Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(Python, ["-c", program, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OMP_NUM_THREADS"] = "1";
        using var process = Process.Start(start)!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.Result);
    }
}
