using System.IO.Enumeration;

namespace Tessera.Imaging.Folders;

/// <summary>Lists a source's folders: visible ones only, in ordinal order, so that every machine sees the same sequence.</summary>
internal static class PictureFolder
{
    private static readonly string[] Extensions = [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif"];

    /// <summary>For messages.</summary>
    public static string ExtensionList => string.Join(", ", Extensions.Select(extension => extension[1..]));

    public static bool IsPicture(ReadOnlySpan<char> fileName)
    {
        return !fileName.StartsWith('.') && IsPictureExtension(Path.GetExtension(fileName));
    }

    /// <param name="extension">With its dot, in any case.</param>
    public static bool IsPictureExtension(ReadOnlySpan<char> extension)
    {
        foreach (var known in Extensions)
        {
            if (extension.Equals(known, StringComparison.OrdinalIgnoreCase))
                return true;
        }
        return false;
    }

    /// <summary>
    /// The pictures in a folder and, when asked, in the folders below it; links to folders are not followed, lest they lead in
    /// circles.
    /// </summary>
    /// <param name="root">The source's folder: names are relative to it.</param>
    /// <param name="folder">The folder to list, inside the root.</param>
    /// <param name="recurse">Whether to go down.</param>
    public static List<FoundPicture> Pictures(string root, string folder, bool recurse)
    {
        var prefix = Path.GetRelativePath(root, folder) is var relative and not "." ? relative.Replace('\\', '/') + "/" : "";
        var start = Path.GetFullPath(folder);
        var pictures = Enumerate(start, recurse, (ref FileSystemEntry entry) => Found(ref entry, start, prefix)).ToList();
        pictures.Sort((first, second) => string.CompareOrdinal(first.Name, second.Name));
        return pictures;
    }

    /// <summary>The pictures in each of several folders and below it, which are listed on all cores.</summary>
    /// <param name="root">The source's folder: names are relative to it.</param>
    /// <param name="folders">The folders to list, inside the root.</param>
    public static List<FoundPicture>[] PicturesBelow(string root, IReadOnlyList<string> folders)
    {
        var found = new List<FoundPicture>[folders.Count];
        ParallelWork.For(folders.Count, i => found[i] = Pictures(root, folders[i], recurse: true), CancellationToken.None);
        return found;
    }

    /// <summary>Whether there is a picture in a folder or below it; looks no further than the first.</summary>
    public static bool HoldsPictures(string folder) => Enumerate(folder, recurse: true, (ref FileSystemEntry _) => true).Any();

    /// <summary>Full paths of the visible folders directly inside.</summary>
    public static List<string> Subfolders(string folder)
    {
        var folders = Directory.GetDirectories(folder).Where(path => !Path.GetFileName(path).StartsWith('.')).ToList();
        folders.Sort(string.CompareOrdinal);
        return folders;
    }

    private static FileSystemEnumerable<T> Enumerate<T>(string folder, bool recurse, FileSystemEnumerable<T>.FindTransform transform)
    {
        var options = new EnumerationOptions { RecurseSubdirectories = recurse, AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false };
        return new FileSystemEnumerable<T>(folder, transform, options)
        {
            ShouldIncludePredicate = (ref FileSystemEntry entry) => !entry.IsDirectory && IsPicture(entry.FileName),
            ShouldRecursePredicate = (ref FileSystemEntry entry) =>
                !entry.FileName.StartsWith('.') && !entry.Attributes.HasFlag(FileAttributes.ReparsePoint),
        };
    }

    private static FoundPicture Found(ref FileSystemEntry entry, string start, string prefix)
    {
        var below = entry.Directory[start.Length..].Trim(Path.DirectorySeparatorChar);
        var name = below.IsEmpty
            ? string.Concat(prefix, entry.FileName)
            : string.Concat(prefix, below.ToString().Replace('\\', '/'), "/", entry.FileName);
        return new FoundPicture(name, entry.Attributes.HasFlag(FileAttributes.ReparsePoint) ? Linked(ref entry) : Own(ref entry));
    }

    private static FileStamp Own(ref FileSystemEntry entry) => new(entry.Length, entry.LastWriteTimeUtc.UtcTicks);

    /// <summary>Of a link, what it leads to: a link stays as it is when other pictures are put there.</summary>
    private static FileStamp Linked(ref FileSystemEntry entry)
    {
        try
        {
            return new FileInfo(entry.ToFullPath()).ResolveLinkTarget(returnFinalTarget: true) is FileInfo { Exists: true } file
                ? new FileStamp(file.Length, file.LastWriteTimeUtc.Ticks) : Own(ref entry);
        }
        catch (IOException)
        {
            return Own(ref entry); // it leads in a circle, which reading it tells
        }
    }
}

/// <summary>A picture's file as a folder lists it.</summary>
/// <param name="Name">The path inside the source, with <c>/</c> between folders.</param>
/// <param name="Stamp">Its length and its last change.</param>
internal readonly record struct FoundPicture(string Name, FileStamp Stamp);
