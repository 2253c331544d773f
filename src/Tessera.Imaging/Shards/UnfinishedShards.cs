using System.Globalization;
using System.Text.RegularExpressions;

namespace Tessera.Imaging.Shards;

/// <summary>
/// What a process that was killed left of the shards that it wrote. A set's files have their names when all are whole, one after the other: a kill at
/// that moment leaves a part of a set, which would pass for a whole one if no file without its name lay beside it.
/// </summary>
internal static partial class UnfinishedShards
{
    /// <summary>The splits that are written.</summary>
    public const string Training = "train", Test = "val";

    /// <summary>A shard's name.</summary>
    public static string FileName(string split, int number) => string.Create(CultureInfo.InvariantCulture, $"{split}-{number:D6}.tar");

    /// <summary>A file without its name; null: there is none.</summary>
    public static string? In(string folder) => Partial(folder).Min(StringComparer.Ordinal);

    /// <summary>Makes room for the set; does nothing where none was left unfinished.</summary>
    /// <exception cref="PackingException">Another process writes it.</exception>
    /// <exception cref="IOException">It cannot be removed.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be removed.</exception>
    public static void Remove(string folder)
    {
        var partial = Partial(folder).ToList();
        if (partial.Count == 0) return;
        foreach (var file in partial)
        {
            try { new FileStream(file, FileMode.Open, FileAccess.Write, FileShare.None).Dispose(); }
            catch (IOException error) { throw new PackingException($"{file} is being written by another process: wait for it, or name another folder.", error); }
        }
        var named = Directory.EnumerateFiles(folder).Where(file => Shard.IsMatch(Path.GetFileName(file))).ToList();
        if (named.Count > 0) File.Delete(ShardClasses.FileIn(folder)); // it has its name before they have theirs
        foreach (var file in named.Concat(partial)) File.Delete(file); // what tells that they are a part is the last to go
    }

    private static IEnumerable<string> Partial(string folder) => Directory.EnumerateFiles(folder, "*.tar" + WholeFile.Ending)
        .Where(file => Shard.IsMatch(Path.GetFileName(file)[..^WholeFile.Ending.Length]));

    [GeneratedRegex($@"^({Training}|{Test})-\d{{6,}}\.tar$", RegexOptions.CultureInvariant)]
    private static partial Regex Shard { get; }
}
