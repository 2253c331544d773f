using System.Buffers.Binary;

namespace Tessera.Runtime;

/// <summary>What an ELF library held in memory expects of other libraries, and a way to give it what they lack.</summary>
/// <remarks>Layout: System V ABI, "Symbol Table"; the Linux Standard Base, "Symbol Versioning" (section .gnu.version).</remarks>
internal static class ElfImports
{
    private const int EntrySize = 24;
    private const uint DynamicSymbols = 11;           // SHT_DYNSYM
    private const uint VersionSection = 0x6fffffff;   // SHT_GNU_versym
    private const int Global = 1, Function = 2;       // STB_GLOBAL, STT_FUNC
    private const ushort Undefined = 0, Absolute = 0xfff1; // SHN_UNDEF, SHN_ABS
    private const byte VisibilityMask = 3, Hidden = 2; // STV_HIDDEN
    private const ushort VersionMask = 0x7fff, NoVersion = 1; // VER_NDX_GLOBAL

    /// <summary>
    /// The symbols that the library must find elsewhere, of no named version. The system's own libraries name theirs (GLIBC_2.4), and the loader
    /// checks them by version; libtorch's do not.
    /// </summary>
    /// <param name="image">The whole file.</param>
    /// <exception cref="ElfFormatException">The image is not such a file, or is cut short.</exception>
    public static IReadOnlyList<ElfImport> Find(Span<byte> image)
    {
        var file = new ElfFile(image);
        var sections = file.Sections();
        var versions = sections.Find(s => s.Type == VersionSection);
        var imports = new List<ElfImport>();
        foreach (var symbols in sections.Where(s => s.Type == DynamicSymbols))
        {
            var names = file.SectionAt(symbols.Link);
            for (var i = 0ul; i < symbols.Size / EntrySize; i++)
            {
                var entry = unchecked(symbols.Offset + i * EntrySize);
                var symbol = file.Slice(entry, EntrySize, "symbol");
                var (binding, type) = (symbol[4] >> 4, symbol[4] & 15);
                if (BinaryPrimitives.ReadUInt16LittleEndian(symbol[6..]) != Undefined || binding != Global) continue; // a weak one may be missing
                if (i < versions.Size / 2
                    && (BinaryPrimitives.ReadUInt16LittleEndian(file.Slice(unchecked(versions.Offset + i * 2), 2, "symbol's version")) & VersionMask) > NoVersion) continue;
                var name = file.Name(unchecked(names.Offset + BinaryPrimitives.ReadUInt32LittleEndian(symbol)));
                if (name.Length > 0) imports.Add(new ElfImport(name, type == Function, entry));
            }
        }
        return imports;
    }

    /// <summary>
    /// Gives the library an address for a symbol that it would look up elsewhere: as its own, hidden from others, so that the loader looks nowhere
    /// else for it (glibc takes a hidden symbol from the library that refers to it), and absolute, so that it holds wherever the library is loaded.
    /// </summary>
    /// <param name="image">The whole file, which <paramref name="import"/> was found in; changed in place.</param>
    /// <param name="import">The symbol.</param>
    /// <param name="address">What it stands for in this process.</param>
    public static void Bind(Span<byte> image, ElfImport import, nint address)
    {
        var symbol = new ElfFile(image).Slice(import.Entry, EntrySize, "symbol");
        symbol[5] = (byte)((symbol[5] & ~VisibilityMask) | Hidden);
        BinaryPrimitives.WriteUInt16LittleEndian(symbol[6..], Absolute);
        BinaryPrimitives.WriteUInt64LittleEndian(symbol[8..], (ulong)address);
    }
}

/// <summary>A symbol that a library expects of another.</summary>
/// <param name="Name">As compilers write it.</param>
/// <param name="IsFunction">Whether it is called; else it is data: a vtable, a type's description, a variable.</param>
/// <param name="Entry">Where its entry of the symbol table lies in the file.</param>
internal sealed record ElfImport(string Name, bool IsFunction, ulong Entry);
