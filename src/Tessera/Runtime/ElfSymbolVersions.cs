using System.Buffers.Binary;
using System.Text;

namespace Tessera.Runtime;

/// <summary>Edits the symbol-version requirements of a 64-bit little-endian ELF library held in memory.</summary>
/// <remarks>Layout: System V ABI, "Sections", and the Linux Standard Base, "Symbol Versioning" (section .gnu.version_r).</remarks>
internal static class ElfSymbolVersions
{
    private const int HeaderSize = 64;
    private const int SectionHeaderSize = 64;
    private const uint VersionNeededSection = 0x6ffffffe; // SHT_GNU_verneed
    private const ushort WeakFlag = 2;                     // VER_FLG_WEAK

    /// <summary>Marks a required symbol version as weak, so that the loader accepts a library that lacks it.</summary>
    /// <param name="image">The whole file; changed in place.</param>
    /// <param name="version">The version's name, such as GLIBCXX_3.4.32.</param>
    /// <exception cref="ElfFormatException">The image is not such a file, is cut short, or does not require that version.</exception>
    public static void MakeOptional(Span<byte> image, string version)
    {
        if (image.Length < 4 || !image[..4].SequenceEqual("\u007fELF"u8))
            throw new ElfFormatException("this is not an ELF file: its first four bytes are not 7F 45 4C 46");
        if (image.Length < HeaderSize)
            throw Truncated("header", 0, HeaderSize, image.Length);
        if (image[4] != 2 || image[5] != 1)
            throw new ElfFormatException("only 64-bit little-endian ELF files can be edited");

        var wanted = Encoding.UTF8.GetBytes(version);
        var found = false;
        foreach (var section in Sections(image))
        {
            if (section.Type != VersionNeededSection) continue;
            var names = SectionAt(image, section.Link);
            found |= MarkWeak(image, section, names, wanted);
        }
        if (!found)
            throw new ElfFormatException($"the file does not require the symbol version {version}: there is nothing to edit");
    }

    private static bool MarkWeak(Span<byte> image, Section section, Section names, ReadOnlySpan<byte> wanted)
    {
        var found = false;
        var library = section.Offset;
        for (var i = 0u; i < section.Info; i++)
        {
            var entry = Slice(image, library, 16, "version requirement");
            var count = BinaryPrimitives.ReadUInt16LittleEndian(entry[2..]);
            var next = BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]);
            var auxiliary = library + BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]);
            for (var j = 0; j < count; j++)
            {
                var requirement = Slice(image, auxiliary, 16, "version entry");
                var name = names.Offset + BinaryPrimitives.ReadUInt32LittleEndian(requirement[8..]);
                if (Slice(image, name, (ulong)wanted.Length + 1, "version name") is var text
                    && text[..^1].SequenceEqual(wanted) && text[^1] == 0)
                {
                    var flags = BinaryPrimitives.ReadUInt16LittleEndian(requirement[4..]);
                    BinaryPrimitives.WriteUInt16LittleEndian(requirement[4..], (ushort)(flags | WeakFlag));
                    found = true;
                }
                var step = BinaryPrimitives.ReadUInt32LittleEndian(requirement[12..]);
                if (step == 0) break; // the chain's last, whatever the count says
                auxiliary += step;
            }
            if (next == 0) break; // the chain's last, whatever the count says
            library += next;
        }
        return found;
    }

    private static List<Section> Sections(ReadOnlySpan<byte> image)
    {
        var count = BinaryPrimitives.ReadUInt16LittleEndian(image[0x3c..]);
        var sections = new List<Section>(count);
        for (var i = 0u; i < count; i++) sections.Add(SectionAt(image, i));
        return sections;
    }

    private static Section SectionAt(ReadOnlySpan<byte> image, uint index)
    {
        var table = BinaryPrimitives.ReadUInt64LittleEndian(image[0x28..]);
        var size = BinaryPrimitives.ReadUInt16LittleEndian(image[0x3a..]);
        if (size < SectionHeaderSize || index >= BinaryPrimitives.ReadUInt16LittleEndian(image[0x3c..]))
            throw new ElfFormatException($"the section table is damaged: there is no section {index}");
        var offset = unchecked(table + (ulong)index * size);
        if (offset > (ulong)image.Length || (ulong)image.Length - offset < SectionHeaderSize)
            throw Truncated("section table", offset, SectionHeaderSize, image.Length);
        var header = image.Slice((int)offset, SectionHeaderSize);
        return new Section(
            Type: BinaryPrimitives.ReadUInt32LittleEndian(header[4..]),
            Offset: BinaryPrimitives.ReadUInt64LittleEndian(header[24..]),
            Link: BinaryPrimitives.ReadUInt32LittleEndian(header[40..]),
            Info: BinaryPrimitives.ReadUInt32LittleEndian(header[44..]));
    }

    private static Span<byte> Slice(Span<byte> image, ulong offset, ulong length, string what)
    {
        if (offset > (ulong)image.Length || (ulong)image.Length - offset < length)
            throw Truncated(what, offset, length, image.Length);
        return image.Slice((int)offset, (int)length);
    }

    private static ElfFormatException Truncated(string what, ulong offset, ulong length, int size) =>
        new($"the file is cut short: its {what} needs {length} bytes at offset {offset}, and the file has {size}");

    private readonly record struct Section(uint Type, ulong Offset, uint Link, uint Info);
}

/// <summary>An ELF file that cannot be edited, and why.</summary>
internal sealed class ElfFormatException(string message) : Exception(message);
