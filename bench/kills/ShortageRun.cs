using System.Diagnostics;

namespace Tessera.Kills;

/// <summary>What there is too little of.</summary>
internal enum Shortage
{
    /// <summary>Room on the disk: a file system in memory, which only root may mount, and only on Linux.</summary>
    Disk,

    /// <summary>Room on the same disk from the work's beginning on, more of it each time: for work that is over before a disk fills up.</summary>
    Room,

    /// <summary>What one file may hold: a limit that every shell can set, past which writing fails as on a full disk.</summary>
    File,
}

/// <summary>Lets a work run out of room at random instants, makes room, goes on, and holds what comes of it against an undisturbed run.</summary>
internal static class ShortageRun
{
    /// <summary>Runs out of room so many times.</summary>
    /// <param name="work">Prepared.</param>
    /// <param name="folder">A folder; it is made.</param>
    /// <param name="times">How often.</param>
    /// <param name="seed">Draws the instants at which the disk fills up.</param>
    /// <param name="shortage">What there is too little of.</param>
    public static ShortageReport Run(Work work, string folder, int times, int seed, Shortage shortage)
    {
        var place = Path.Join(Path.GetFullPath(folder), "disk", "place");
        var undisturbed = new Undisturbed?[work.Ways];
        var instants = Instant.Generator(work, seed);
        var (faults, messages) = (new List<string>(), new List<string>());
        for (var time = 0; time < times; time++)
        {
            var way = time % work.Ways;
            var whole = undisturbed[way] ??= KillRun.Undisturbed(work, place, way);
            using var disk = new SmallDisk(Path.GetDirectoryName(place)!, shortage);
            work.Begin(place);
            var before = Snapshot.Of(place);
            var failed = shortage switch
            {
                Shortage.Disk => FillUp(work, place, way, Instant.Draw(instants, whole), disk),
                Shortage.Room => Narrow(work, place, way, Math.Max(0, whole.Kilobytes - Folders.Kilobytes(place)) * time / times, disk),
                _ => Limit(work, place, way, Math.Max(1, (long)Math.Pow(whole.LargestKilobytes, (time + 0.5) / times))),
            };
            var fault = Judge(work, place, way, (before, whole), failed, disk);
            if (fault is not null) faults.Add($"time {time}, way {way}: {failed.LastError}: {fault}");
            if (failed.Code != 0) messages.Add(failed.LastError.Replace(place + "/", "", StringComparison.Ordinal).Replace(place, "FOLDER", StringComparison.Ordinal));
        }
        return new ShortageReport(work.Name, times, messages, faults);
    }

    private static CommandOutcome Limit(Work work, string place, int way, long kilobytes)
    {
        using var process = new CommandProcess(work.Command(place, way), kilobytes);
        return process.Finish();
    }

    private static CommandOutcome FillUp(Work work, string place, int way, Instant instant, SmallDisk disk)
    {
        using var watch = new FolderWatch(place, instant.Change);
        using var process = new CommandProcess(work.Command(place, way));
        if (instant.Comes(watch, process)) disk.FillUp();
        return process.Finish();
    }

    private static CommandOutcome Narrow(Work work, string place, int way, long kilobytes, SmallDisk disk)
    {
        disk.FillUp(kilobytes);
        using var process = new CommandProcess(work.Command(place, way));
        return process.Finish();
    }

    /// <returns>What is wrong; null: nothing.</returns>
    private static string? Judge(Work work, string place, int way, (SortedDictionary<string, string> Before, Undisturbed Whole) held, CommandOutcome failed, SmallDisk disk)
    {
        var (before, whole) = held;
        if (failed.Code == 0)
        {
            if (Snapshot.Difference(Missed(whole.Files), Missed(Snapshot.Of(place))) is { } other) return $"it ended well, and {other}";
            return Again();
        }
        if (failed.Code != 1 || !failed.LastError.StartsWith("tessera: ", StringComparison.Ordinal) || failed.Error.Contains("   at ", StringComparison.Ordinal))
            return $"exit code {failed.Code}: {failed.Error.Trim()}";
        if (!failed.LastError.Contains(place, StringComparison.Ordinal)) return "it names no file";
        if (Snapshot.Halves(place, whole.Files, work.IsOneFile, before).FirstOrDefault() is { } half) return $"{half} is not whole";
        return Again();

        string? Again()
        {
            disk.Clear();
            using var again = new CommandProcess(work.Command(place, way));
            var outcome = again.Finish();
            if (outcome.Code != 0) return $"with room it ends in exit code {outcome.Code}: {outcome.LastError}";
            return Snapshot.Difference(whole.Files, Snapshot.Of(place)) is { } difference ? $"with room, {difference}" : null;
        }

        static SortedDictionary<string, string> Missed(SortedDictionary<string, string> files) => new(files.Where(file => Work.IsMissed(file.Key)).ToDictionary(), StringComparer.Ordinal);
    }

    /// <summary>A disk of its own that can be filled up; where a file's size is what is limited, a folder.</summary>
    private sealed class SmallDisk : IDisposable
    {
        private readonly string root;
        private readonly Shortage shortage;

        public SmallDisk(string root, Shortage shortage)
        {
            (this.root, this.shortage) = (root, shortage);
            Directory.CreateDirectory(root);
            if (shortage != Shortage.File) Do("mount", "-t", "tmpfs", "-o", "size=256m", "tessera-kills", root);
        }

        private string Filling => Path.Join(root, "filling");

        /// <summary>Takes all the room that is left, but for so many kilobytes.</summary>
        public void FillUp(long but = 0)
        {
            using var filling = new FileStream(Filling, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
            foreach (var size in new[] { 1 << 20, 1 << 12 })
            {
                try
                {
                    while (true) filling.Write(new byte[size]);
                }
                catch (IOException)
                {
                    // It is full, as far as pieces of this size go.
                }
            }
            filling.SetLength(Math.Max(0, filling.Length - but * 1024));
        }

        public void Clear() => File.Delete(Filling);

        public void Dispose()
        {
            if (shortage != Shortage.File) Do("umount", root);
            Directory.Delete(root, recursive: true);
        }

        private static void Do(string program, params string[] arguments)
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments))!;
            process.WaitForExit();
            if (process.ExitCode != 0) throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} failed: only root may mount a file system.");
        }
    }
}

/// <summary>What came of it.</summary>
/// <param name="Work">The work's name.</param>
/// <param name="Times">How often there was too little room.</param>
/// <param name="Messages">What was said each time that there was too little, with the paths within the folder.</param>
/// <param name="Faults">What should not be.</param>
internal sealed record ShortageReport(string Work, int Times, IReadOnlyList<string> Messages, IReadOnlyList<string> Faults);
