namespace Tessera.Kills;

/// <summary>Whole folders.</summary>
internal static class Folders
{
    /// <summary>What a folder's files take, in pages of 4 kB.</summary>
    public static long Kilobytes(string folder) => Files(folder).Sum(file => 4 * ((file.Length + 4095) / 4096));

    /// <summary>What the largest of them takes.</summary>
    public static long LargestKilobytes(string folder) => Files(folder).Max(file => (file.Length + 1023) / 1024);

    private static IEnumerable<FileInfo> Files(string folder) => new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Where(file => file.LinkTarget is null);

    /// <summary>Copies a folder; links stay links.</summary>
    public static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var folder in Directory.EnumerateDirectories(from, "*", SearchOption.AllDirectories)) Directory.CreateDirectory(Path.Join(to, Path.GetRelativePath(from, folder)));
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var copy = Path.Join(to, Path.GetRelativePath(from, file));
            if (new FileInfo(file).LinkTarget is { } target) File.CreateSymbolicLink(copy, target);
            else File.Copy(file, copy);
        }
    }
}
