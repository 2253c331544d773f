using System.Globalization;
using System.IO.Enumeration;

namespace Tessera.Imaging.Containers;

/// <summary>Names of several files in one: <c>{0000..0127}</c> and <c>{train,val}</c> as shells and WebDataset understand them, and the wildcards <c>*</c> and <c>?</c>.</summary>
internal static class FilePatterns
{
    private const int MostFiles = 100_000;

    /// <summary>Whether a source names files by a pattern.</summary>
    public static bool IsPattern(string source) => source.AsSpan().ContainsAny("{*?");

    /// <summary>The files that a pattern names: full paths, each once, in ordinal order.</summary>
    /// <param name="pattern">A path with braces or wildcards, in any of its parts.</param>
    /// <exception cref="ImageSourceException">A brace is not closed, a file of a range is missing, or no file matches.</exception>
    public static IReadOnlyList<string> Files(string pattern)
    {
        var files = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var name in Expand(pattern, pattern))
        {
            var path = Path.GetFullPath(name);
            if (!name.AsSpan().ContainsAny("*?"))
            {
                if (!File.Exists(path)) throw new ImageSourceException($"There is no file {path}, which {pattern} names: put it back, or name those that are there.");
                files.Add(path);
                continue;
            }
            files.UnionWith(Matching(path));
        }
        return files.Count > 0 ? [.. files] : throw new ImageSourceException($"No file matches {pattern}: name tar shards or Parquet files.");
    }

    /// <summary>The folder above all files that a pattern can name.</summary>
    public static string Root(string pattern)
    {
        var full = Path.GetFullPath(pattern);
        var begin = full.AsSpan().IndexOfAny("{*?");
        return Path.GetDirectoryName(full[..(begin < 0 ? full.Length : begin)] + "x")!;
    }

    private static IEnumerable<string> Expand(string text, string pattern)
    {
        var count = 0;
        foreach (var name in Braces(text, pattern))
        {
            if (++count > MostFiles) throw new ImageSourceException($"{pattern} names more than {MostFiles} files: name fewer at a time, or their folder.");
            yield return name;
        }
    }

    /// <summary>The text with its first brace replaced by each of what it stands for, and so on with the rest.</summary>
    private static IEnumerable<string> Braces(string text, string pattern)
    {
        var open = text.IndexOf('{');
        if (open < 0) return [text];
        var close = Closing(text, open);
        if (close < 0) throw new ImageSourceException($"{pattern} has a brace that is not closed: write {{0000..0127}} or {{train,val}}.");
        var (before, inside, after) = (text[..open], text[(open + 1)..close], text[(close + 1)..]);
        var choices = Range(inside) ?? Choices(inside);
        return choices.SelectMany(choice => Braces(choice, pattern)).SelectMany(choice => Braces(after, pattern).Select(rest => before + choice + rest));
    }

    private static int Closing(string text, int open)
    {
        var depth = 0;
        for (var i = open; i < text.Length; i++)
        {
            depth += text[i] switch { '{' => 1, '}' => -1, _ => 0 };
            if (depth == 0) return i;
        }
        return -1;
    }

    /// <summary><c>0000..0127</c>: as many digits as the longer of the two is written with, where one begins with a zero.</summary>
    private static IEnumerable<string>? Range(string inside)
    {
        if (inside.Split("..") is not [var first, var last] || !Number(first, out var from) || !Number(last, out var to)) return null;
        var digits = first.StartsWith('0') || last.StartsWith('0') ? Math.Max(first.Length, last.Length) : 1;
        var step = from <= to ? 1 : -1;
        return Steps();

        IEnumerable<string> Steps()
        {
            for (var number = from; ; number += step)
            {
                yield return number.ToString($"D{digits}", CultureInfo.InvariantCulture);
                if (number == to) yield break;
            }
        }

        static bool Number(string text, out int number) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    private static List<string> Choices(string inside)
    {
        var (choices, depth, begin) = (new List<string>(), 0, 0);
        for (var i = 0; i < inside.Length; i++)
        {
            depth += inside[i] switch { '{' => 1, '}' => -1, _ => 0 };
            if (depth > 0 || inside[i] != ',') continue;
            choices.Add(inside[begin..i]);
            begin = i + 1;
        }
        choices.Add(inside[begin..]);
        return choices;
    }

    private static List<string> Matching(string path)
    {
        var top = Path.GetPathRoot(path)!;
        IEnumerable<string> folders = [top];
        var parts = path[top.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries);
        foreach (var part in parts[..^1])
            folders = part.AsSpan().ContainsAny("*?") ? folders.SelectMany(folder => Entries(folder, part, Directory.EnumerateDirectories)) : folders.Select(folder => Path.Join(folder, part));
        return folders.Where(Directory.Exists).SelectMany(folder => Entries(folder, parts[^1], Directory.EnumerateFiles)).ToList();
    }

    private static IEnumerable<string> Entries(string folder, string pattern, Func<string, IEnumerable<string>> list) => !Directory.Exists(folder) ? []
        : list(folder).Where(path => Path.GetFileName(path) is var name && !name.StartsWith('.') && FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: false));
}
