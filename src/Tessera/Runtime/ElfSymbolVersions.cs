using System.Buffers.Binary;
using System.Text;

namespace Tessera.Runtime;

/// <summary>Edits the symbol-version requirements of an ELF library held in memory.</summary>
/// <remarks>Layout: the Linux Standard Base, "Symbol Versioning" (section .gnu.version_r).</remarks>
internal static class ElfSymbolVersions
{
    private const uint VersionNeededSection = 0x6ffffffe; // SHT_GNU_verneed
    private const ushort WeakFlag = 2;                     // VER_FLG_WEAK

    /// <summary>Marks a required symbol version as weak, so that the loader accepts a library that lacks it.</summary>
    /// <param name="image">The whole file; changed in place.</param>
    /// <param name="version">The version's name, such as GLIBCXX_3.4.32.</param>
    /// <exception cref="ElfFormatException">The image is not such a file, is cut short, or does not require that version.</exception>
    public static void MakeOptional(Span<byte> image, string version)
    {
        var file = new ElfFile(image);
        var wanted = Encoding.UTF8.GetBytes(version);
        var found = false;
        foreach (var section in file.Sections())
        {
            if (section.Type != VersionNeededSection) continue;
            var names = file.SectionAt(section.Link);
            found |= MarkWeak(file, section, names, wanted);
        }
        if (!found)
            throw new ElfFormatException($"the file does not require the symbol version {version}: there is nothing to edit");
    }

    private static bool MarkWeak(ElfFile file, ElfSection section, ElfSection names, ReadOnlySpan<byte> wanted)
    {
        var found = false;
        var library = section.Offset;
        for (var i = 0u; i < section.Info; i++)
        {
            var entry = file.Slice(library, 16, "version requirement");
            var count = BinaryPrimitives.ReadUInt16LittleEndian(entry[2..]);
            var next = BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]);
            var auxiliary = library + BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]);
            for (var j = 0; j < count; j++)
            {
                var requirement = file.Slice(auxiliary, 16, "version entry");
                var name = names.Offset + BinaryPrimitives.ReadUInt32LittleEndian(requirement[8..]);
                if (file.Slice(name, (ulong)wanted.Length + 1, "version name") is var text
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
}
