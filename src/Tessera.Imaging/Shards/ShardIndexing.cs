using Tessera.Imaging.Containers;

namespace Tessera.Imaging.Shards;

/// <summary>Lists the pictures of shards: from the index, and of the shards that it does not know as they are now by looking through them.</summary>
internal static class ShardIndexing
{
    /// <returns>In the files' order.</returns>
    /// <exception cref="ImageSourceException">A shard cannot be read, or makes no sense.</exception>
    public static IReadOnlyList<TarShard> List(SplitFiles files, SourceOpening opening)
    {
        var beside = Path.Join(files.Root, TarIndex.FileName(files.All));
        var cached = opening.CacheFolder is { } folder ? Path.Join(folder, TarIndex.FileName(files.All, files.Root)) : null;
        var known = (TarIndex.Read(beside) ?? (cached is null ? null : TarIndex.Read(cached)) ?? []).DistinctBy(shard => shard.Name).ToDictionary(shard => shard.Name);
        var shards = new TarShard[files.All.Count];
        var (names, gate, done, missing) = (files.All, new Lock(), 0, new List<int>());
        for (var i = 0; i < shards.Length; i++)
        {
            if (known.GetValueOrDefault(names[i]) is { } shard && IsAsNow(shard, Path.Join(files.Root, names[i]))) shards[i] = shard;
            else missing.Add(i);
        }
        if (missing.Count == 0) return shards;
        ParallelWork.For(missing.Count, i =>
        {
            shards[missing[i]] = Scan(Path.Join(files.Root, names[missing[i]]), names[missing[i]], opening.Cancellation);
            lock (gate) opening.Progress?.Report(new PackProgress(++done, missing.Count, 0) { Stage = PackStage.Indexing });
        }, opening.Cancellation);
        Keep(shards, beside, cached);
        return shards;
    }

    private static bool IsAsNow(TarShard shard, string path)
    {
        try
        {
            using var file = File.OpenHandle(path); // of a link, what it leads to
            return FileStamp.Of(file) == new FileStamp(shard.Length, shard.Modified);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw CannotBeRead(path, error);
        }
    }

    private static TarShard Scan(string path, string name, CancellationToken cancellation)
    {
        try
        {
            return TarScan.Run(path, name, cancellation);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw CannotBeRead(path, error);
        }
    }

    /// <summary>Beside the shards, else in the cache; where neither can be written, and where another process writes it just now, the next opening looks through them again.</summary>
    private static void Keep(TarShard[] shards, string beside, string? cached)
    {
        if (TryWrite(shards, beside) || cached is null) return;
        _ = TryWrite(shards, cached);
    }

    private static bool TryWrite(TarShard[] shards, string file)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            TarIndex.Write(file, shards);
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static ImageSourceException CannotBeRead(string path, Exception error) => new($"{path} cannot be read: {error.Message.TrimEnd('.')}.", error);
}
