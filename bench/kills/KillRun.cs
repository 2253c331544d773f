using System.Diagnostics;

namespace Tessera.Kills;

/// <summary>Kills a work at random instants until it is done, and holds what comes of it against an undisturbed run.</summary>
internal static class KillRun
{
    private const int MostInARow = 25; // then it is left alone until it is done
    private const int MostFaults = 10;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5); // a busy machine; the works take seconds

    /// <summary>Kills so many times.</summary>
    /// <param name="work">Prepared.</param>
    /// <param name="folder">A folder; it is made.</param>
    /// <param name="kills">How many.</param>
    /// <param name="seed">Draws the instants: at which change of the folder, and how long after it.</param>
    /// <param name="told">Told after each trial.</param>
    public static KillReport Run(Work work, string folder, int kills, int seed, Action<KillReport>? told = null)
    {
        var place = Path.Join(Path.GetFullPath(folder), "place"); // the same for all, for files may tell where they lie
        var undisturbed = new Undisturbed?[work.Ways];
        var report = new KillReport(work.Name, 0, 0, []);
        var instants = Instant.Generator(work, seed);
        while (report.Kills < kills)
        {
            var way = report.Trials % work.Ways;
            var trial = new Trial(work, place, way, undisturbed[way] ??= Undisturbed(work, place, way), instants);
            trial.Run(Math.Min(kills - report.Kills, MostInARow));
            report = new KillReport(work.Name, report.Kills + trial.Kills, report.Trials + 1, [.. report.Faults, .. trial.Faults.Select(fault => $"trial {report.Trials}, {fault}")]);
            trial.Clear(report.Trials - 1);
            told?.Invoke(report);
            if (report.Faults.Count >= MostFaults) break;
        }
        return report;
    }

    /// <summary>Runs the work once, and looks at what it leaves.</summary>
    public static Undisturbed Undisturbed(Work work, string place, int way)
    {
        work.Begin(place);
        using var watch = new FolderWatch(place);
        var clock = Stopwatch.StartNew();
        using var process = new CommandProcess(work.Command(place, way));
        var outcome = process.Finish();
        if (outcome.Code != 0) throw new InvalidOperationException($"{work.Name} fails undisturbed: {outcome.Error}");
        var undisturbed = new Undisturbed(Snapshot.Of(place), watch.Changes, clock.Elapsed, Folders.Kilobytes(place), Folders.LargestKilobytes(place));
        Directory.Delete(place, recursive: true);
        return undisturbed;
    }

    /// <summary>A work from its beginning to its end, through as many kills as come.</summary>
    private sealed class Trial(Work work, string place, int way, Undisturbed undisturbed, Random instants)
    {
        public List<string> Faults { get; } = [];

        /// <summary>Kills so far.</summary>
        public int Kills { get; private set; }

        /// <param name="most">Kills at most.</param>
        public void Run(int most)
        {
            work.Begin(place);
            var goesOn = true;
            while (goesOn && Kills < most) goesOn = IsKilled();
            if (goesOn) Finish();
        }

        /// <summary>Makes room for the next trial; what went wrong is kept, to be looked at.</summary>
        public void Clear(int number)
        {
            if (Faults.Count == 0) Directory.Delete(place, recursive: true);
            else Directory.Move(place, $"{place}-{number}");
        }

        /// <summary>Begins the next command and kills it at an instant of its own.</summary>
        /// <returns>Whether it was; else it was done before, or a fault was met.</returns>
        private bool IsKilled()
        {
            var instant = Instant.Draw(instants, undisturbed);
            using var watch = new FolderWatch(place, instant.Change);
            using var process = new CommandProcess(work.Command(place, way));
            if (!instant.Comes(watch, process)) return Ended(process);
            process.Kill();
            process.Finish();
            Kills++;
            var halves = Snapshot.Halves(place, undisturbed.Files, work.IsOneFile).ToList();
            return halves.Count == 0 || Fault($"not whole: {string.Join(", ", halves)}");
        }

        private void Finish()
        {
            using var process = new CommandProcess(work.Command(place, way));
            if (process.HasEndedWithin(Patience)) Ended(process);
            else Fault("the command does not end");
        }

        /// <returns>False.</returns>
        private bool Ended(CommandProcess process)
        {
            var outcome = process.Finish();
            if (outcome.Code != 0) return Fault($"exit code {outcome.Code}: {outcome.LastError}");
            return Snapshot.Difference(undisturbed.Files, Snapshot.Of(place)) is { } difference && Fault(difference);
        }

        /// <returns>False.</returns>
        private bool Fault(string what)
        {
            Faults.Add($"after {Kills} kills: {what}");
            return false;
        }
    }
}

/// <summary>What a work leaves when nothing disturbs it.</summary>
/// <param name="Files">See <see cref="Snapshot.Of"/>.</param>
/// <param name="Changes">How often its folder changed.</param>
/// <param name="Duration">How long it took.</param>
/// <param name="Kilobytes">What all its files take.</param>
/// <param name="LargestKilobytes">What the largest of them takes.</param>
internal sealed record Undisturbed(SortedDictionary<string, string> Files, int Changes, TimeSpan Duration, long Kilobytes, long LargestKilobytes);

/// <summary>What came of it.</summary>
/// <param name="Work">The work's name.</param>
/// <param name="Kills">Processes that were killed.</param>
/// <param name="Trials">How often the work was done, from its beginning to its end.</param>
/// <param name="Faults">What should not be, each with the number of its kill.</param>
internal sealed record KillReport(string Work, int Kills, int Trials, IReadOnlyList<string> Faults);
