using System.Diagnostics;
using System.Globalization;

namespace Tessera.Mutations;

/// <summary>Gives a reader mutated files, and holds it to what every reader of ours promises.</summary>
internal static class MutationRun
{
    /// <summary>What a reader may take beyond its file's length, in bytes.</summary>
    public const long MostBytes = 100_000_000;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20); // a busy machine; a file of some kilobytes takes milliseconds

    /// <summary>Reads so many mutated files.</summary>
    /// <param name="reader">The reader.</param>
    /// <param name="folder">An empty folder. The file of the case that is being read lies there, also when the process has crashed.</param>
    /// <param name="count">How many.</param>
    /// <param name="seed">Draws the changes; a case is drawn by it and its number alone.</param>
    /// <param name="first">The number of the first case.</param>
    public static MutationReport Run(Reader reader, string folder, int count, int seed, int first = 0)
    {
        var subjects = reader.Prepare(folder);
        byte[][] whole = [.. subjects.Select(subject => File.ReadAllBytes(subject.File))];
        foreach (var subject in subjects) subject.Read(); // as it is it can be read, and what is made once in a process is made
        var (read, refused, faults) = (0, 0, new List<string>());
        for (var number = first; number < first + count; number++)
        {
            var random = new Random(HashCode(seed, number));
            var which = random.Next(subjects.Count);
            var mutated = new Mutator(random).Mutate(whole[which]);
            if (reader.Mend is { } mend && random.Next(2) == 0) mutated = mend(mutated);
            File.WriteAllBytes(subjects[which].File, mutated);
            var outcome = Try(subjects[which].Read, mutated.Length);
            if (outcome.Error is null) read++;
            else if (reader.Ours.Any(ours => ours.IsInstanceOfType(outcome.Error))) refused++;
            else faults.Add($"case {number}: {outcome.Error.GetType().Name}: {outcome.Error.Message}\n{string.Join('\n', (outcome.Error.StackTrace ?? "").Split('\n').Take(5))}");
            if (outcome.Fault is { } fault) faults.Add($"case {number}: {fault}");
            if (number < first + count - 1) File.WriteAllBytes(subjects[which].File, whole[which]); // the last one stays, to be looked at
            if (outcome.IsHanging) break; // its thread still reads
        }
        return new MutationReport(reader.Name, read, refused, faults);
    }

    private static int HashCode(int seed, int number) => unchecked((seed * 1_000_003) ^ (number * 7919)); // System.HashCode differs from process to process

    private static (Exception? Error, string? Fault, bool IsHanging) Try(Action read, int length)
    {
        var before = GC.GetTotalAllocatedBytes();
        var resident = ProcessMemory.ForgetPeak();
        var clock = Stopwatch.StartNew();
        var reading = Task.Factory.StartNew(read, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            if (!reading.Wait(Patience)) return (null, $"it did not end within {Patience.TotalSeconds} s", true);
        }
        catch (AggregateException)
        {
            // told below, as what it was
        }
        var taken = Math.Max(GC.GetTotalAllocatedBytes() - before, resident is { } then ? ProcessMemory.Peak() - then : 0);
        var fault = taken > MostBytes + length ? string.Create(CultureInfo.InvariantCulture, $"it took {taken:n0} bytes for a file of {length:n0}, in {clock.Elapsed.TotalSeconds:f1} s") : null;
        return (reading.Exception?.InnerException, fault, false);
    }
}

/// <summary>What came of it.</summary>
/// <param name="Reader">The reader's name.</param>
/// <param name="Read">Files that were read all the same.</param>
/// <param name="Refused">Files that were refused with an exception of ours.</param>
/// <param name="Faults">What should not be, each with the number of its case.</param>
internal sealed record MutationReport(string Reader, int Read, int Refused, IReadOnlyList<string> Faults);

/// <summary>How much memory the process has; some systems do not tell.</summary>
internal static class ProcessMemory
{
    private const string Status = "/proc/self/status";

    /// <summary>Begins to look for a new peak.</summary>
    /// <returns>The bytes that are resident now; null where that is not told.</returns>
    public static long? ForgetPeak()
    {
        if (!File.Exists(Status)) return null;
        try
        {
            File.WriteAllText("/proc/self/clear_refs", "5");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // a sandbox without that file: what is allocated counts alone
        }
        return Field("VmRSS:");
    }

    /// <summary>The most bytes that were resident since.</summary>
    public static long Peak() => Field("VmHWM:");

    private static long Field(string name)
    {
        var line = File.ReadLines(Status).First(text => text.StartsWith(name, StringComparison.Ordinal));
        return 1024 * long.Parse(line.AsSpan(name.Length, line.Length - name.Length - 2).Trim(), CultureInfo.InvariantCulture);
    }
}
