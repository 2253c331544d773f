using System.Diagnostics;
using System.Globalization;

namespace Tessera.Benchmarking;

/// <summary>This process's resident memory, bytes.</summary>
/// <param name="Peak">The most there ever was.</param>
/// <param name="Anonymous">What is no file's; null where the system does not tell.</param>
/// <param name="Mapped">Pages of mapped files; null where the system does not tell.</param>
internal sealed record ProcessMemory(long Peak, long? Anonymous, long? Mapped)
{
    private const string StatusFile = "/proc/self/status"; // proc_pid_status(5)

    public static ProcessMemory Now()
    {
        if (OperatingSystem.IsLinux() && File.Exists(StatusFile)) return Parse(File.ReadLines(StatusFile));
        using var process = Process.GetCurrentProcess();
        return new ProcessMemory(process.PeakWorkingSet64, null, null);
    }

    /// <summary>Reads lines such as <c>VmHWM:	  12345 kB</c>.</summary>
    /// <exception cref="InvalidDataException">The peak is not among them.</exception>
    public static ProcessMemory Parse(IEnumerable<string> status)
    {
        var sizes = new Dictionary<string, long>();
        foreach (var line in status)
        {
            if (line.Split((char[]?)[':', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries) is [var name, var number, "kB"]
                && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var kibibytes)) sizes[name] = kibibytes << 10;
        }
        return sizes.TryGetValue("VmHWM", out var peak)
            ? new ProcessMemory(peak, Find("RssAnon"), Find("RssFile"))
            : throw new InvalidDataException($"{StatusFile} has no line VmHWM: the system does not tell how much memory a process took.");

        long? Find(string name) => sizes.TryGetValue(name, out var size) ? size : null;
    }
}
