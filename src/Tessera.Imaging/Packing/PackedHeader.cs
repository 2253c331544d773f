using System.Buffers.Binary;

namespace Tessera.Imaging.Packing;

/// <summary>The first page of a packed file: what follows, and how long each part is. Everything else is computed from it.</summary>
/// <remarks><c>docs/formats.md</c> describes the file byte by byte. Numbers are little-endian.</remarks>
internal readonly record struct PackedHeader(ImageShape Shape, int Count, int TestStart, int NamesLength, int CatalogueLength)
{
    public const int Size = 4096; // a page, so that the pixels begin on one
    public const int Version = 1;
    public const int PieceSize = 1 << 22; // what one checksum covers

    private const int UsedBytes = 64;

    // Like PNG's: a byte that is no text, both line ends and an end-of-file mark show what a careless transfer did.
    private static ReadOnlySpan<byte> Magic => [0x89, (byte)'T', (byte)'S', (byte)'R', 0x0D, 0x0A, 0x1A, 0x0A];

    public static long PixelsStart => Size;

    public long LabelsStart => Aligned(PixelsStart + (long)Count * Shape.Pixels);

    public long NameEndsStart => LabelsStart + 4L * Count;

    public long NamesStart => NameEndsStart + 4L * Count;

    public long CatalogueStart => NamesStart + NamesLength;

    public long ChecksumsStart => Aligned(CatalogueStart + CatalogueLength);

    public int PieceCount => (int)((ChecksumsStart + PieceSize - 1) / PieceSize);

    /// <summary>The pieces' checksums, then one over them.</summary>
    public long FileLength => ChecksumsStart + 8L * (PieceCount + 1);

    public void Write(Span<byte> page)
    {
        page[..Size].Clear();
        Magic.CopyTo(page);
        BinaryPrimitives.WriteInt32LittleEndian(page[8..], Version);
        BinaryPrimitives.WriteInt32LittleEndian(page[12..], Shape.Channels);
        BinaryPrimitives.WriteInt32LittleEndian(page[16..], Shape.Height);
        BinaryPrimitives.WriteInt32LittleEndian(page[20..], Shape.Width);
        BinaryPrimitives.WriteInt64LittleEndian(page[24..], Count);
        BinaryPrimitives.WriteInt64LittleEndian(page[32..], TestStart);
        BinaryPrimitives.WriteInt64LittleEndian(page[40..], NamesLength);
        BinaryPrimitives.WriteInt64LittleEndian(page[48..], CatalogueLength);
        BinaryPrimitives.WriteInt64LittleEndian(page[56..], FileLength);
    }

    /// <param name="page">The file's beginning, up to <see cref="Size"/> bytes.</param>
    /// <param name="length">How long the file is.</param>
    /// <param name="file">For messages.</param>
    /// <exception cref="PackedFormatException">It is something else, too new, cut short, or contradicts itself.</exception>
    public static PackedHeader Read(ReadOnlySpan<byte> page, long length, string file)
    {
        if (page.Length < Magic.Length || !page.StartsWith(Magic))
            throw new PackedFormatException($"{file} is not a packed Tessera file: make one with \"tessera data pack\".");
        if (page.Length < UsedBytes)
            throw CutShort(file, length, Size);
        var version = BinaryPrimitives.ReadUInt32LittleEndian(page[8..]);
        if (version > Version)
            throw new PackedFormatException(
                $"{file} was written by a newer version of Tessera (format {version}, this one reads up to {Version}): update, or pack again.");
        if (version == 0)
            throw Contradicts(file, "format 0");

        var header = ReadSizes(page, file);
        var expected = BinaryPrimitives.ReadInt64LittleEndian(page[56..]);
        if (expected != header.FileLength)
            throw Contradicts(file, $"it claims {expected} bytes where its parts take {header.FileLength}");
        if (length < expected)
            throw CutShort(file, length, expected);
        if (length > expected)
            throw new PackedFormatException($"{file} is {length - expected} bytes longer than it should be: it was altered; pack again.");
        return header;
    }

    private static PackedHeader ReadSizes(ReadOnlySpan<byte> page, string file)
    {
        var (channels, height, width) = (ReadUInt(page, 12), ReadUInt(page, 16), ReadUInt(page, 20));
        if (!ImageShape.IsValid(channels, height, width))
            throw Contradicts(file, $"pictures of {channels}×{height}×{width}");
        var count = ReadLength(page, 24, least: 1, most: int.MaxValue, "pictures", file);
        return new PackedHeader(
            new ImageShape((int)channels, (int)height, (int)width), count,
            ReadLength(page, 32, least: 0, most: count, "training pictures", file),
            ReadLength(page, 40, least: 0, most: int.MaxValue, "bytes of names", file),
            ReadLength(page, 48, least: 2, most: int.MaxValue, "bytes of catalogue", file));
    }

    private static uint ReadUInt(ReadOnlySpan<byte> page, int place) => BinaryPrimitives.ReadUInt32LittleEndian(page[place..]);

    private static int ReadLength(ReadOnlySpan<byte> page, int place, int least, int most, string what, string file)
    {
        var value = BinaryPrimitives.ReadInt64LittleEndian(page[place..]);
        return value >= least && value <= most ? (int)value : throw Contradicts(file, $"{value} {what}");
    }

    private static PackedFormatException CutShort(string file, long length, long expected) =>
        new($"{file} is cut short: {length} of at least {expected} bytes are there; pack again.");

    private static PackedFormatException Contradicts(string file, string claim) =>
        new($"{file} is damaged, its header makes no sense ({claim}): pack again.");

    private static long Aligned(long place) => (place + 7) & ~7L;
}
