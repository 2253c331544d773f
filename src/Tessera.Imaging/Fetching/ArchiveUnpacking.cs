using System.IO.Compression;

namespace Tessera.Imaging.Fetching;

/// <summary>Unpacks a zip archive beside its final place and renames the folder it holds.</summary>
internal static class ArchiveUnpacking
{
    private const int UnixTypeMask = 0xF000;
    private const int UnixLink = 0xA000;

    /// <summary>Where a folder lies while it is unpacked.</summary>
    public static string FolderOf(string folder, string target) => Path.Join(target, folder + ".unpacking");

    /// <exception cref="DataSetFetchException">
    /// It is no zip archive, reaches outside its folder, or does not hold the one expected.
    /// </exception>
    public static void Run(string archive, string folder, string target, IProgress<FetchProgress>? progress, CancellationToken cancellation)
    {
        var unpacking = FolderOf(folder, target);
        if (Directory.Exists(unpacking))
            Directory.Delete(unpacking, recursive: true); // an earlier call was killed here
        try
        {
            using (var zip = Open(archive))
                Extract(zip, archive, Directory.CreateDirectory(unpacking).FullName, progress, cancellation);
            var unpacked = Path.Join(unpacking, folder);
            if (!Directory.Exists(unpacked))
                throw new DataSetFetchException($"{archive} does not hold the folder {folder}: it is not the data set it should be.");
            Directory.Move(unpacked, Path.Join(target, folder));
        }
        finally
        {
            if (Directory.Exists(unpacking))
                Directory.Delete(unpacking, recursive: true);
        }
    }

    private static ZipArchive Open(string archive)
    {
        ZipArchive? zip = null;
        try
        {
            zip = ZipFile.OpenRead(archive);
            _ = zip.Entries; // its directory is read only now
            return zip;
        }
        catch (Exception error) when (error is InvalidDataException or ArgumentException or OverflowException)
        {
            zip?.Dispose();
            throw new DataSetFetchException($"{archive} is not a zip archive, or damaged: remove it and try again, or name another address.", error);
        }
    }

    private static void Extract(ZipArchive zip, string archive, string into, IProgress<FetchProgress>? progress, CancellationToken cancellation)
    {
        // All names are judged before the first byte is written.
        var places = zip.Entries.Select(entry => (Entry: entry, Path: PlaceOf(entry, archive, into))).ToList();
        var total = zip.Entries.Sum(entry => entry.Length);
        long done = 0;
        foreach (var (entry, path) in places)
        {
            cancellation.ThrowIfCancellationRequested();
            if (entry.FullName.EndsWith('/'))
            {
                Directory.CreateDirectory(path);
                continue;
            }
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            try { entry.ExtractToFile(path); }
            catch (Exception error) when (error is InvalidDataException or ArgumentException or NotSupportedException)
            {
                throw new DataSetFetchException($"{archive} is damaged at {entry.FullName}: remove it and try again.", error);
            }
            progress?.Report(new FetchProgress(FetchStage.Unpacking, done += entry.Length, total));
        }
    }

    private static string PlaceOf(ZipArchiveEntry entry, string archive, string into)
    {
        var name = entry.FullName;
        if (name.Contains('\0'))
            throw new DataSetFetchException($"{archive} holds a name that no file can have: it is damaged; remove it and try again.");
        var path = Path.GetFullPath(Path.Join(into, name));
        var reachesOut = Path.IsPathRooted(name) || name.Contains('\\') || !path.StartsWith(into + Path.DirectorySeparatorChar, StringComparison.Ordinal);
        var isLink = ((entry.ExternalAttributes >> 16) & UnixTypeMask) == UnixLink;
        return reachesOut || isLink
            ? throw new DataSetFetchException($"{archive} holds {name}, which {(isLink ? "is a link" : "reaches outside its folder")}: it was not unpacked.")
            : path;
    }
}
