using System.Buffers.Binary;
using System.Text;

namespace Tessera.Runtime;

/// <summary>A 64-bit little-endian ELF library held in memory, and its sections.</summary>
/// <remarks>Layout: System V ABI, "Object Files" and "Sections".</remarks>
internal readonly ref struct ElfFile
{
    private const int HeaderSize = 64;
    private const int SectionHeaderSize = 64;
    private readonly Span<byte> image;

    /// <param name="image">The whole file; what is edited changes in place.</param>
    /// <exception cref="ElfFormatException">The image is not such a file, or ends within its header.</exception>
    public ElfFile(Span<byte> image)
    {
        if (image.Length < 4 || !image[..4].SequenceEqual("\u007fELF"u8))
            throw new ElfFormatException("this is not an ELF file: its first four bytes are not 7F 45 4C 46");
        if (image.Length < HeaderSize)
            throw Truncated("header", 0, HeaderSize, image.Length);
        if (image[4] != 2 || image[5] != 1)
            throw new ElfFormatException("only 64-bit little-endian ELF files can be edited");
        this.image = image;
    }

    private int SectionCount => BinaryPrimitives.ReadUInt16LittleEndian(image[0x3c..]);

    /// <summary>All sections, in the order of their table.</summary>
    /// <exception cref="ElfFormatException">The table is damaged, or cut short.</exception>
    public List<ElfSection> Sections()
    {
        var sections = new List<ElfSection>(SectionCount);
        for (var i = 0u; i < SectionCount; i++) sections.Add(SectionAt(i));
        return sections;
    }

    /// <summary>The section of a number, such as another's <see cref="ElfSection.Link"/>.</summary>
    /// <exception cref="ElfFormatException">There is none, or the table is cut short.</exception>
    public ElfSection SectionAt(uint index)
    {
        var table = BinaryPrimitives.ReadUInt64LittleEndian(image[0x28..]);
        var size = BinaryPrimitives.ReadUInt16LittleEndian(image[0x3a..]);
        if (size < SectionHeaderSize || index >= SectionCount)
            throw new ElfFormatException($"the section table is damaged: there is no section {index}");
        var header = Slice(unchecked(table + (ulong)index * size), SectionHeaderSize, "section table");
        return new ElfSection(
            Type: BinaryPrimitives.ReadUInt32LittleEndian(header[4..]),
            Offset: BinaryPrimitives.ReadUInt64LittleEndian(header[24..]),
            Size: BinaryPrimitives.ReadUInt64LittleEndian(header[32..]),
            Link: BinaryPrimitives.ReadUInt32LittleEndian(header[40..]),
            Info: BinaryPrimitives.ReadUInt32LittleEndian(header[44..]));
    }

    /// <summary>Bytes of the file.</summary>
    /// <param name="offset">Of the first.</param>
    /// <param name="length">How many.</param>
    /// <param name="what">What they are, for the error.</param>
    /// <exception cref="ElfFormatException">The file ends before.</exception>
    public Span<byte> Slice(ulong offset, ulong length, string what)
    {
        if (offset > (ulong)image.Length || (ulong)image.Length - offset < length)
            throw Truncated(what, offset, length, image.Length);
        return image.Slice((int)offset, (int)length);
    }

    /// <summary>A name, which ends with a zero byte.</summary>
    /// <exception cref="ElfFormatException">The file ends before.</exception>
    public string Name(ulong offset)
    {
        if (offset > (ulong)image.Length) throw Truncated("name", offset, 1, image.Length);
        var rest = image[(int)offset..];
        var length = rest.IndexOf((byte)0);
        return length >= 0 ? Encoding.UTF8.GetString(rest[..length]) : throw Truncated("name", offset, (ulong)rest.Length + 1, image.Length);
    }

    private static ElfFormatException Truncated(string what, ulong offset, ulong length, int size) =>
        new($"the file is cut short: its {what} needs {length} bytes at offset {offset}, and the file has {size}");
}

/// <summary>A section of an ELF file.</summary>
/// <param name="Type">What it holds (SHT_…).</param>
/// <param name="Offset">Where it lies in the file.</param>
/// <param name="Size">Its bytes.</param>
/// <param name="Link">The number of a section that goes with it, such as its names.</param>
/// <param name="Info">A number whose meaning hangs on the type.</param>
internal readonly record struct ElfSection(uint Type, ulong Offset, ulong Size, uint Link, uint Info);

/// <summary>An ELF file that cannot be edited, and why.</summary>
internal sealed class ElfFormatException(string message) : Exception(message);
