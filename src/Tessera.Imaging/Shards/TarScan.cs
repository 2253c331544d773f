using System.Buffers.Binary;
using System.Formats.Tar;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Tessera.Imaging.Folders;

namespace Tessera.Imaging.Shards;

/// <summary>Looks through a tar file once for its pictures and their labels, as WebDataset pairs them; the pictures' bytes are passed over.</summary>
/// <remarks>
/// WebDataset (<c>https://github.com/webdataset/webdataset</c>): members that follow each other and have the same key make a sample. The key is the path up to the first dot of the file's name, and what
/// follows that dot says what the member is. A sample's picture is its first member that ends as pictures do; its label is in <c>.cls</c> (a whole number), else in <c>.json</c>.
/// ustar, PAX and GNU's long names are read by <c>System.Formats.Tar</c>.
/// </remarks>
internal sealed class TarScan : IDisposable
{
    /// <summary>Labels are below it.</summary>
    public const int MostClasses = 1 << 20;

    private const int Block = 512;
    private const long LongestHeader = 1 << 20; // of names and attributes; the package takes as much memory as a damaged file claims
    private const long LongestLabel = 1 << 24;

    private static readonly (string Kind, byte[] Begin)[] CompressedKinds =
        [("gzip", [0x1F, 0x8B]), ("bzip2", "BZh"u8.ToArray()), ("xz", [0xFD, 0x37, 0x7A, 0x58, 0x5A]), ("zstd", [0x28, 0xB5, 0x2F, 0xFD])];

    private readonly string path;
    private readonly FileStream stream;
    private readonly long length;
    private readonly TarShardBuilder found = new();
    private Sample sample = new("", null, ShardLabel.None, IsFromNumber: false);

    private TarScan(string path, FileStream stream) => (this.path, this.stream, length) = (path, stream, stream.Length);

    /// <param name="path">The file.</param>
    /// <param name="name">Its name in the source.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="ImageSourceException">It is no tar file, is cut short, or a label makes no sense.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static TarShard Run(string path, string name, CancellationToken cancellation)
    {
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        var modified = File.GetLastWriteTimeUtc(stream.SafeFileHandle).Ticks;
        using var scan = new TarScan(path, stream);
        scan.RequirePlain();
        scan.ReadAll(cancellation);
        return scan.found.Build(name, scan.length, modified);
    }

    public void Dispose() => found.Dispose();

    private void RequirePlain()
    {
        Span<byte> begin = stackalloc byte[8];
        begin = begin[..RandomAccess.Read(stream.SafeFileHandle, begin, 0)];
        foreach (var (kind, magic) in CompressedKinds)
        {
            if (begin.StartsWith(magic))
                throw new ImageSourceException($"{path} is compressed ({kind}), and pictures are read by their position in a shard: unpack it to a plain tar file.");
        }
    }

    private void ReadAll(CancellationToken cancellation)
    {
        using var reader = new TarReader(stream, leaveOpen: true);
        long next = 0; // where the next header is
        try
        {
            while (true)
            {
                cancellation.ThrowIfCancellationRequested();
                RequireClaims(next);
                if (reader.GetNextEntry() is not { } entry) break;
                if (entry.DataOffset >= 0) next = EndOf(entry);
                if (entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile) Take(entry);
            }
        }
        catch (Exception error) when (error is InvalidDataException or EndOfStreamException or ArgumentException or FormatException or OverflowException or NotSupportedException or InvalidOperationException)
        {
            throw Damaged(next, error.Message.TrimEnd('.'), error);
        }
        Finish();
        RequireEnd(next);
    }

    private long EndOf(TarEntry entry)
    {
        var end = entry.DataOffset + entry.Length;
        if (end > length)
            throw new ImageSourceException($"{path} is cut short: {entry.Name}, from byte {entry.DataOffset} on, takes {entry.Length} bytes, and the file ends at byte {length}; get it anew.");
        return (end + Block - 1) / Block * Block;
    }

    /// <summary>Makes sure that headers which hold a name or attributes are no longer than those are.</summary>
    private void RequireClaims(long header)
    {
        Span<byte> block = stackalloc byte[Block];
        while (RandomAccess.Read(stream.SafeFileHandle, block, header) == Block && block[156] is (byte)'x' or (byte)'g' or (byte)'L' or (byte)'K')
        {
            var size = SizeOf(block.Slice(124, 12));
            if (size is < 0 or > LongestHeader) throw Damaged(header, $"a header of {size} bytes", null);
            header += Block + (size + Block - 1) / Block * Block;
        }
    }

    /// <summary>Octal digits; or, after a first byte of 80 (hexadecimal), GNU's binary number.</summary>
    private static long SizeOf(ReadOnlySpan<byte> field)
    {
        if (field[0] >= 0x80) return BinaryPrimitives.ReadInt64BigEndian(field[4..]);
        long size = 0;
        foreach (var digit in field)
        {
            if (digit is >= (byte)'0' and <= (byte)'7') size = size * 8 + (digit - '0');
        }
        return size;
    }

    /// <summary>A tar file ends with a block of zeros: where there is none, more may have followed.</summary>
    private void RequireEnd(long next)
    {
        Span<byte> block = stackalloc byte[Block];
        if (RandomAccess.Read(stream.SafeFileHandle, block, next) < Block)
            throw new ImageSourceException($"{path} is cut short: it ends at byte {length} without the mark of an archive's end; get it anew.");
        if (block.ContainsAnyExcept((byte)0)) throw Damaged(next, "what is there is no header", null);
    }

    private void Take(TarEntry entry)
    {
        if (KeyOf(entry.Name) is not ({ } key, { } what)) return;
        if (key != sample.Key)
        {
            Finish();
            sample = new Sample(key, null, ShardLabel.None, IsFromNumber: false);
        }
        if (what == "cls") sample = sample with { Label = new ShardLabel(ReadNumber(entry)), IsFromNumber = true };
        else if (what == "json" && !sample.IsFromNumber) sample = sample with { Label = ReadJson(entry) };
        else if (sample.Picture is null && PictureFolder.IsPictureExtension("." + what)) sample = sample with { Picture = PictureOf(entry) };
    }

    private void Finish()
    {
        if (sample.Picture is { } picture) found.Add(picture.Name, picture.Offset, picture.Size, sample.Label);
    }

    private Member PictureOf(TarEntry entry) => entry.Length <= Array.MaxLength
        ? new Member(Plain(entry.Name), entry.DataOffset, (int)entry.Length)
        : throw new ImageSourceException($"{path}: {entry.Name} is larger than 2 GB: no picture is.");

    /// <summary>A path up to the first dot of its last part, and what follows, in lower case; names that begin with a dot have no key.</summary>
    private static (string Key, string What)? KeyOf(string member)
    {
        var name = Plain(member);
        var begin = name.LastIndexOf('/') + 1;
        var dot = name.IndexOf('.', begin);
        return dot > begin ? (name[..dot], name[(dot + 1)..].ToLowerInvariant()) : null;
    }

    private static string Plain(string member) => member.StartsWith("./", StringComparison.Ordinal) ? member[2..] : member;

    private int ReadNumber(TarEntry entry)
    {
        var text = ReadText(entry).Trim();
        return int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? Checked(number, entry)
            : throw new ImageSourceException($"{path}: {entry.Name} holds \"{Shortened(text)}\", not a class's number: write 0, 1, 2, …");
    }

    private ShardLabel ReadJson(TarEntry entry)
    {
        try
        {
            using var json = JsonDocument.Parse(ReadText(entry));
            if (json.RootElement.ValueKind != JsonValueKind.Object) return ShardLabel.None;
            foreach (var name in new[] { "label", "cls", "class" })
            {
                if (!json.RootElement.TryGetProperty(name, out var value)) continue;
                if (value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number)) return new ShardLabel(Checked(number, entry));
                if (value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } word) return new ShardLabel(TarShard.NoLabel, word);
                if (value.ValueKind != JsonValueKind.Null)
                    throw new ImageSourceException($"{path}: {entry.Name} has the {name} {Shortened(value.GetRawText())}: it must be a class's number or name.");
            }
            return ShardLabel.None;
        }
        catch (JsonException error)
        {
            throw new ImageSourceException($"{path}: {entry.Name} is not JSON ({error.Message.TrimEnd('.')}).", error);
        }
    }

    private int Checked(int number, TarEntry entry) => number is >= TarShard.NoLabel and < MostClasses ? number
        : throw new ImageSourceException($"{path}: {entry.Name} has the label {number}: labels are 0 to {MostClasses - 1}, or -1 for none.");

    private string ReadText(TarEntry entry)
    {
        if (entry.Length > LongestLabel) throw new ImageSourceException($"{path}: {entry.Name} has {entry.Length} bytes, more than a label takes.");
        if (entry.DataStream is not { } data) return "";
        using var reader = new StreamReader(data, Encoding.UTF8, leaveOpen: true);
        return reader.ReadToEnd();
    }

    private static string Shortened(string text) => text.Length <= 40 ? text : text[..40] + "…";

    private ImageSourceException Damaged(long header, string how, Exception? error) =>
        new($"{path} is damaged, or no tar file, from byte {header} on ({how}): get it anew.", error);

    private sealed record Sample(string Key, Member? Picture, ShardLabel Label, bool IsFromNumber);

    private readonly record struct Member(string Name, long Offset, int Size);
}
