using System.Diagnostics;
using System.Globalization;

namespace Tessera.Benchmarking;

/// <summary>The first thing a benchmark of a step does: what a user waits for, and the memory that training alone takes.</summary>
internal static class ColdStart
{
    private const int StepsForMemory = 3; // the second step is the first with the optimiser's means and the heap as they stay

    /// <summary>Seconds since this process began.</summary>
    public static double Age()
    {
        using var process = Process.GetCurrentProcess();
        return (TimeProvider.System.GetLocalNow().LocalDateTime - process.StartTime).TotalSeconds;
    }

    /// <summary>Makes the first steps.</summary>
    /// <returns>The process's age when the first one had ended, its loss, and the memory of those after it.</returns>
    /// <exception cref="InvalidOperationException">The loss is not finite, so whatever was measured would mean nothing.</exception>
    public static (double Age, double Loss, MemoryReport Memory) Run(StepUnderTest training, RoundClock clock)
    {
        var (age, first, most, mapped) = (0.0, double.NaN, (long?)null, (long?)null);
        using var batches = training.Load(StepsForMemory + 1).GetEnumerator();
        for (var i = 0; i <= StepsForMemory; i++)
        {
            clock.Cancellation.ThrowIfCancellationRequested();
            using (var loss = training.Step(batches))
            {
                var value = loss.item<float>(); // waits
                if (!float.IsFinite(value)) throw new InvalidOperationException($"The loss of step {i + 1} is {value}: nothing can be measured.");
                if (i == 0) (age, first) = (Age(), value);
            }
            var now = ProcessMemory.Now();
            if (most is null || now.Anonymous > most) (most, mapped) = (now.Anonymous, now.Mapped);
        }
        return (age, first, new MemoryReport(ProcessMemory.Now().Peak, most, mapped));
    }
}

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
