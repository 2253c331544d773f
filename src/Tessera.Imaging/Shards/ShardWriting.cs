using System.Globalization;
using System.Text.RegularExpressions;

namespace Tessera.Imaging.Shards;

/// <summary>
/// Says that a folder's shards are being written: until the last is whole they are a part of a set, which looks like a whole one. The file that says so is held
/// by the process that writes them, and is what it leaves if it is killed.
/// </summary>
internal static partial class ShardWriting
{
    /// <summary>The splits that are written.</summary>
    public const string Training = "train", Test = "val";

    /// <summary>A shard's name.</summary>
    public static string FileName(string split, int number) => string.Create(CultureInfo.InvariantCulture, $"{split}-{number:D6}.tar");

    /// <summary>Where the file that says so lies, if there is one.</summary>
    public static string LockIn(string folder) => Path.Join(folder, "tessera-shards.lock");

    /// <summary>Begins to write, once what a killed process has left is removed.</summary>
    /// <param name="folder">A folder that is there.</param>
    /// <returns>What ends it.</returns>
    /// <exception cref="PackingException">Another process writes there, or the folder holds shards.</exception>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static IDisposable Begin(string folder)
    {
        var held = ProcessLock.Take(LockIn(folder), () => throw new PackingException($"Another process writes shards into {folder}: wait for it, or name another folder."), CancellationToken.None);
        try
        {
            // It is empty until it is known that no shards are there: what lies beside one that is not was written by whoever left it.
            if (held.Length > 0) RemoveShards(folder);
            if (Directory.EnumerateFiles(folder, "*.tar").Min(StringComparer.Ordinal) is { } there)
                throw new PackingException($"{folder} holds shards already, such as {Path.GetFileName(there)}, among which new ones would be lost: name an empty folder.");
            if (held.Length == 0) held.WriteByte((byte)'\n');
            return held;
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    private static void RemoveShards(string folder)
    {
        foreach (var file in Directory.EnumerateFiles(folder).Where(file => Shard.IsMatch(Path.GetFileName(file))).ToList()) File.Delete(file);
    }

    [GeneratedRegex($@"^({Training}|{Test})-\d{{6,}}\.tar(\.partial)?$", RegexOptions.CultureInvariant)]
    private static partial Regex Shard { get; }
}
