using Tessera.Imaging.Shards;
using Tessera.Imaging.Tables;

namespace Tessera.Imaging.Containers;

/// <summary>Recognises files that hold many pictures each: tar shards, Parquet files, CIFAR's records.</summary>
internal static class ContainerFiles
{
    private static readonly string[] Compressed = [".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"];

    /// <summary>Whether a file is one of those by its name.</summary>
    public static bool IsContainer(string file) => IsShard(file) || IsTable(file) || IsCompressed(file);

    /// <summary>The source that a folder without pictures of its own holds; null where it holds none.</summary>
    /// <exception cref="ImageSourceException">What it holds cannot be read, or is of two kinds.</exception>
    public static ImageSource? InFolder(string root, SourceOpening opening)
    {
        if (CifarSource.In(root) is { } cifar) return cifar;
        var files = Visible(root).Where(IsContainer).Order(StringComparer.Ordinal).ToList();
        if (files.Count > 0) return Of(root, root, files, opening);
        return Directory.GetFileSystemEntries(root).Where(entry => !Path.GetFileName(entry).StartsWith('.')).ToList() is [var only] && Directory.Exists(only)
            ? InFolder(only, opening) : null; // as a folder of pictures that holds one folder and nothing else
    }

    /// <summary>The source that files make which are named one by one.</summary>
    /// <exception cref="ImageSourceException">They cannot be read.</exception>
    public static ImageSource Of(IReadOnlyList<string> files, SourceOpening opening)
    {
        var paths = files.Select(Path.GetFullPath).Distinct().Order(StringComparer.Ordinal).ToList();
        var root = Path.GetDirectoryName(paths[0])!;
        while (!paths.TrueForAll(path => path.StartsWith(Path.TrimEndingDirectorySeparator(root) + Path.DirectorySeparatorChar, StringComparison.Ordinal)))
            root = Path.GetDirectoryName(root) ?? throw new ImageSourceException($"{paths[0]} and {paths[^1]} lie on two disks: name files of one.");
        return Of(ImageSource.Join(paths), root, paths, opening);
    }

    /// <summary>The source that files make.</summary>
    /// <param name="location">How the source is called.</param>
    /// <param name="root">The folder that the files lie in.</param>
    /// <param name="files">Full paths, one at least.</param>
    /// <param name="opening">How it is opened.</param>
    /// <exception cref="ImageSourceException">They are of several kinds, or cannot be read.</exception>
    public static ImageSource Of(string location, string root, IReadOnlyList<string> files, SourceOpening opening)
    {
        if (files.FirstOrDefault(IsCompressed) is { } compressed)
            throw new ImageSourceException($"{compressed} is compressed as a whole, and pictures are read by their position in a shard: unpack it to a .tar (gunzip, unxz, …).");
        if (files.FirstOrDefault(file => new FileInfo(file).Length == 0) is { } empty)
            throw new ImageSourceException($"{empty} is empty, or no file at all: get it anew, or move it away."); // to open a pipe might wait for ever, and it has no length either
        if (files.FirstOrDefault(file => !IsContainer(file)) is { } other)
            throw new ImageSourceException($"{other} is neither a tar shard nor a Parquet file: name those alone.");
        if (files.Select(Path.GetDirectoryName).Distinct().Select(folder => ShardWriting.LockIn(folder!)).FirstOrDefault(File.Exists) is { } unfinished)
            throw new ImageSourceException($"{unfinished} says that the shards beside it are a part of a set: wait for the process that writes them, or, where it was killed, give its command again (tessera data shard).");
        if (files.FirstOrDefault(IsTable) is not { } table) return ShardSource.Open(location, SplitFiles.Of(root, files), opening);
        return files.FirstOrDefault(IsShard) is { } shard ? throw new ImageSourceException($"{location} has tar shards, such as {shard}, and Parquet files, such as {table}: name those of one kind.")
            : ParquetSource.Open(location, SplitFiles.Of(root, files), opening);
    }

    private static bool IsTable(string file) => file.EndsWith(".parquet", StringComparison.OrdinalIgnoreCase);

    private static bool IsShard(string file) => file.EndsWith(".tar", StringComparison.OrdinalIgnoreCase);

    private static bool IsCompressed(string file) => Compressed.Any(ending => file.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    private static IEnumerable<string> Visible(string folder)
    {
        foreach (var entry in Directory.EnumerateFileSystemEntries(folder))
        {
            if (Path.GetFileName(entry).StartsWith('.')) continue;
            if (!Directory.Exists(entry)) yield return entry;
            else if (new DirectoryInfo(entry).LinkTarget is null) // links to folders are not followed, lest they lead in circles
            {
                foreach (var below in Visible(entry)) yield return below;
            }
        }
    }
}

/// <summary>How a source is opened that first has to be looked through.</summary>
/// <param name="CacheFolder">Where an index is kept that cannot be written beside its files; null: it is not kept then.</param>
/// <param name="Progress">Told as files are looked through, from several threads, one at a time.</param>
/// <param name="Cancellation">Stops that.</param>
internal sealed record SourceOpening(string? CacheFolder, IProgress<PackProgress>? Progress, CancellationToken Cancellation);
