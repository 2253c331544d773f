using System.Diagnostics;

namespace Tessera.Kills;

/// <summary>When something befalls a command: at a change of the folder that it writes into, and so long after it.</summary>
internal sealed record Instant(int Change, TimeSpan After)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5); // a busy machine; the works take seconds

    /// <summary>What draws a work's instants.</summary>
    public static Random Generator(Work work, int seed) => new(unchecked((seed * 1_000_003) ^ (work.Name.Length * 7919) ^ work.Name[0])); // System.HashCode differs from process to process

    /// <summary>The next one, of a command that would take as long as an undisturbed one.</summary>
    public static Instant Draw(Random random, Undisturbed undisturbed)
    {
        var change = random.Next(undisturbed.Changes + 1);
        // Before the first change there is all that starts; between two others their mean time, or twice as much.
        return new Instant(change, undisturbed.Duration / (undisturbed.Changes + 1) * random.NextDouble() * (change == 0 ? undisturbed.Changes : 2));
    }

    /// <summary>Waits for it.</summary>
    /// <returns>Whether it came; else the command has ended before.</returns>
    public bool Comes(FolderWatch watch, CommandProcess process)
    {
        var clock = Stopwatch.StartNew();
        while (!watch.Reaches(TimeSpan.FromMilliseconds(5)))
        {
            if (process.HasEndedWithin(TimeSpan.Zero)) return false;
            if (clock.Elapsed > Patience) throw new TimeoutException($"A command has not ended within {Patience}.");
        }
        for (clock.Restart(); clock.Elapsed < After;) Thread.Yield();
        return !process.HasEndedWithin(TimeSpan.Zero);
    }
}
