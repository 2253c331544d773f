namespace Tessera.Kills;

/// <summary>Counts what changes in a folder: files made, written, renamed and removed.</summary>
internal sealed class FolderWatch : IDisposable
{
    private readonly FileSystemWatcher watcher;
    private readonly ManualResetEventSlim reached = new();
    private readonly int awaited;
    private int changes;

    /// <param name="folder">A folder that is there.</param>
    /// <param name="awaited">How many changes are waited for.</param>
    public FolderWatch(string folder, int awaited = int.MaxValue)
    {
        this.awaited = awaited;
        if (awaited == 0) reached.Set();
        watcher = new FileSystemWatcher(folder) { IncludeSubdirectories = true, InternalBufferSize = 1 << 16 };
        watcher.Created += (_, _) => Count();
        watcher.Changed += (_, _) => Count();
        watcher.Renamed += (_, _) => Count();
        watcher.Deleted += (_, _) => Count();
        watcher.EnableRaisingEvents = true;
    }

    /// <summary>Changes so far.</summary>
    public int Changes => Volatile.Read(ref changes);

    /// <summary>Waits until so many changes were seen, at most so long.</summary>
    public bool Reaches(TimeSpan within) => reached.Wait(within);

    public void Dispose()
    {
        watcher.Dispose();
        reached.Dispose();
    }

    private void Count()
    {
        if (Interlocked.Increment(ref changes) == awaited) reached.Set();
    }
}
