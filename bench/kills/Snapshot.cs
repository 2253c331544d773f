using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Kills;

/// <summary>What a folder holds, but for what differs between two runs of the same command: times and speeds.</summary>
internal static class Snapshot
{
    private const string Drawn = "drawn from figures of speed";

    /// <summary>Each file's hash by its path; folders that hold nothing too, for a leftover may be one.</summary>
    public static SortedDictionary<string, string> Of(string folder)
    {
        var held = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var path in Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories))
        {
            var name = Path.GetRelativePath(folder, path);
            if (Directory.Exists(path))
            {
                if (!Directory.EnumerateFileSystemEntries(path).Any()) held[name + "/"] = "";
            }
            else if (!IsEvents(name)) held[name] = HashOf(path);
        }
        return held;
    }

    /// <summary>TensorBoard's files: each process begins one of its own, and TensorBoard reads them all as one run.</summary>
    public static bool IsEvents(string name) => Path.GetFileName(name).StartsWith("events.out.tfevents.", StringComparison.Ordinal);

    /// <summary>The first difference, in words; null: there is none.</summary>
    public static string? Difference(SortedDictionary<string, string> expected, SortedDictionary<string, string> found)
    {
        if (expected.Keys.Except(found.Keys).FirstOrDefault() is { } lost) return $"{lost} is not there";
        if (found.Keys.Except(expected.Keys).FirstOrDefault() is { } left) return $"{left} is left over";
        return expected.Keys.FirstOrDefault(name => expected[name] != found[name]) is { } other ? $"{other} is another" : null;
    }

    /// <summary>Files that stand under their own names after a kill and are not whole.</summary>
    /// <param name="folder">What was written into.</param>
    /// <param name="whole">What an undisturbed run leaves there.</param>
    /// <param name="isOneFile">Whether a file, once it is there, is what an undisturbed run leaves; else it is of an earlier step of a training, and only its form is checked.</param>
    /// <param name="before">What was there before the work began: it stands until it is replaced; null: nothing.</param>
    public static IEnumerable<string> Halves(string folder, SortedDictionary<string, string> whole, bool isOneFile, SortedDictionary<string, string>? before = null)
    {
        foreach (var gone in before?.Keys.Where(name => !name.EndsWith('/') && !File.Exists(Path.Join(folder, name))) ?? []) yield return $"{gone}, which is gone,";
        foreach (var path in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            var name = Path.GetRelativePath(folder, path);
            if (MayBeHalf(name)) continue;
            if (isOneFile ? !IsOneOf(HashOf(path), name) : !IsWhole(path)) yield return name;
        }

        bool IsOneOf(string hash, string name) => whole.GetValueOrDefault(name) == hash || before?.GetValueOrDefault(name) == hash;
    }

    /// <summary>What is on its way to its name, what is held while others wait, and logs that are appended to.</summary>
    private static bool MayBeHalf(string name) =>
        name.EndsWith(".partial", StringComparison.Ordinal) || name.EndsWith(".part", StringComparison.Ordinal) || name.Contains(".unpacking/", StringComparison.Ordinal)
        || name.EndsWith(".lock", StringComparison.Ordinal) || IsEvents(name) || Path.GetFileName(name) is "metrics.jsonl";

    private static bool IsWhole(string path)
    {
        switch (Path.GetExtension(path))
        {
            case ".safetensors":
                try { SafetensorsFile.Open(path).Dispose(); }
                catch (SafetensorsException) { return false; }
                return true;
            case ".json":
                try { return JsonNode.Parse(File.ReadAllText(path)) is not null; }
                catch (System.Text.Json.JsonException) { return false; }
            case ".png": return File.ReadAllBytes(path).AsSpan().EndsWith(PngEnd);
            case ".html": return File.ReadAllText(path).TrimEnd().EndsWith("</html>", StringComparison.Ordinal);
            default: return new FileInfo(path).Length > 0;
        }
    }

    /// <summary>The type of a PNG's last chunk and its checksum.</summary>
    private static ReadOnlySpan<byte> PngEnd => [(byte)'I', (byte)'E', (byte)'N', (byte)'D', 0xae, 0x42, 0x60, 0x82];

    private static string HashOf(string path) => Path.GetFileName(path) switch
    {
        "curves.png" or "report.html" => Drawn,
        "metrics.jsonl" => Hash(string.Join('\n', File.ReadLines(path).Select(WithoutSpeed))),
        "summary.json" => Hash(Without(JsonNode.Parse(File.ReadAllText(path))!, "seconds", "imagesPerSecond")),
        _ when Path.GetFileName(Path.GetDirectoryName(path)) == "evaluations" && path.EndsWith(".json", StringComparison.Ordinal) => Hash(Without(JsonNode.Parse(File.ReadAllText(path))!, "made")),
        _ => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(path))),
    };

    private static string Hash(string text) => Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text)));

    private static string WithoutSpeed(string line)
    {
        var node = JsonNode.Parse(line)!;
        var metrics = node["metrics"]!.AsArray();
        foreach (var speed in metrics.Where(m => (string?)m!["name"] == MetricsLog.ImagesPerSecond).ToList()) metrics.Remove(speed);
        return node.ToJsonString();
    }

    private static string Without(JsonNode node, params string[] members)
    {
        foreach (var member in members) node.AsObject().Remove(member);
        return node.ToJsonString();
    }
}
