using Tessera.Imaging.Folders;

namespace Tessera.Imaging.Shards;

/// <summary>What the members of a written shard are called: a sample's key, and an ending that says what a member is.</summary>
internal static class ShardNames
{
    private static readonly string[] Parts = ["", ".", ".."]; // of a path, that lead nowhere or out of it

    /// <summary>The key of a picture: its name without its ending, and without dots in its last part, which would end a key.</summary>
    /// <param name="name">See <see cref="ImageEntry.Name"/>.</param>
    /// <param name="before">The key of the sample before, from which it differs.</param>
    public static string Key(string name, string before)
    {
        var parts = name.Split('/', '\\').Where(part => !Parts.Contains(part)).ToList();
        var last = parts is [.., var file] ? file : "picture";
        var ending = PictureFolder.IsPictureExtension(Path.GetExtension(last)) ? Path.GetExtension(last) : "";
        var stem = last[..^ending.Length].Replace('.', '_');
        if (stem.Length == 0) stem = "_";
        var folder = parts.Count > 1 ? string.Join('/', parts.SkipLast(1)) + "/" : "";
        var key = folder + stem;
        // a.jpg and a.png, one after the other, are two samples.
        return key == before ? $"{key}_{ending.TrimStart('.')}" : key;
    }

    /// <summary>The ending of encoded bytes, by what they begin with; of what is no picture, that of its name.</summary>
    public static string Ending(ReadOnlySpan<byte> encoded, string name) =>
        encoded.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) ? "jpg"
        : encoded.StartsWith((ReadOnlySpan<byte>)[0x89, (byte)'P', (byte)'N', (byte)'G']) ? "png"
        : encoded.StartsWith("GIF8"u8) ? "gif"
        : encoded.StartsWith("BM"u8) ? "bmp"
        : encoded.StartsWith("RIFF"u8) && encoded.Length >= 12 && encoded[8..12].SequenceEqual("WEBP"u8) ? "webp"
        : PictureFolder.IsPictureExtension(Path.GetExtension(name)) ? Path.GetExtension(name)[1..].ToLowerInvariant() : "jpg";
}
