namespace Tessera.Kills;

/// <summary>Whole folders.</summary>
internal static class Folders
{
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
