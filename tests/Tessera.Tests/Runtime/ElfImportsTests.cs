using System.Buffers.Binary;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Tessera.Runtime;

namespace Tessera.Tests.Runtime;

public sealed class ElfImportsTests
{
    private const int EntrySize = 24, SymbolsAt = 64;
    private const int Local = 0, Global = 1, Weak = 2, Data = 1, Function = 2;

    [Fact]
    public void Finds_What_Must_Come_From_A_Library_Without_Versions()
    {
        var imports = ElfImports.Find(Library());

        imports.ShouldBe(
        [
            new ElfImport("called", IsFunction: true, Entry(1)),
            new ElfImport("read", IsFunction: false, Entry(2)),
        ]);
    }

    [Fact]
    public void Without_Versions_All_Of_Them_Are_Looked_For()
    {
        var image = Library();
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(image.Length - 64 + 4), 1); // the versions' section is another kind

        ElfImports.Find(image).Select(i => i.Name).ShouldBe(["called", "read", "of_the_system"]);
    }

    [Fact]
    public void A_Bound_Symbol_Is_Found_No_More_And_Nothing_Else_Changes()
    {
        var image = Library();
        var bound = image.ToArray();

        ElfImports.Bind(bound, ElfImports.Find(bound)[0], unchecked((nint)0x1234_5678_9abc));

        ElfImports.Find(bound).Select(i => i.Name).ShouldBe(["read"]);
        var symbol = bound.AsSpan((int)Entry(1), EntrySize);
        symbol[4].ShouldBe(image[(int)Entry(1) + 4]); // binding and type
        symbol[5].ShouldBe((byte)2); // STV_HIDDEN
        BinaryPrimitives.ReadUInt16LittleEndian(symbol[6..]).ShouldBe((ushort)0xfff1); // SHN_ABS
        BinaryPrimitives.ReadUInt64LittleEndian(symbol[8..]).ShouldBe(0x1234_5678_9abcul);
        var changed = Enumerable.Range(0, image.Length).Where(i => image[i] != bound[i]);
        changed.ShouldAllBe(i => i >= (int)Entry(1) + 5 && i < (int)Entry(1) + 16);
    }

    [Fact]
    public void Finds_What_TorchSharp_Expects_Of_LibTorch()
    {
        var file = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", "libLibTorchSharp.so");
        Assert.SkipUnless(File.Exists(file), "TorchSharp's library for Linux is not part of this build.");

        var imports = ElfImports.Find(File.ReadAllBytes(file));

        imports.ShouldContain(i => i.Name == "_ZN2at4_ops3bmm4callERKNS_6TensorES4_" && i.IsFunction);
        imports.ShouldContain(i => i.Name == "_ZTIN5torch2nn6ModuleE" && !i.IsFunction);
        imports.ShouldNotContain(i => i.Name == "malloc" || i.Name == "_ZSt21ios_base_library_initv" || i.Name.StartsWith("THS", StringComparison.Ordinal));
    }

    [Fact]
    public void Refuses_A_File_Cut_Short_At_Every_Length()
    {
        var image = Library();
        for (var length = 4; length < image.Length; length++)
        {
            Should.Throw<ElfFormatException>(() => ElfImports.Find(image.AsSpan(0, length).ToArray()))
                .Message.ShouldStartWith("the file is cut short: ", customMessage: $"cut to {length} bytes");
        }
    }

    [Property(MaxTest = 3000)]
    public Property Ends_With_Imports_Or_A_Refusal_Whatever_The_Bytes() => Prop.ForAll(
        Gen.Zip(Gen.Choose(0, 10_000), ArbMap.Default.GeneratorFor<byte>()).ListOf().ToArbitrary(),
        changes =>
        {
            var image = Library();
            foreach (var (place, value) in changes) image[place % image.Length] = value;
            try
            {
                foreach (var import in ElfImports.Find(image)) ElfImports.Bind(image, import, 1);
            }
            catch (ElfFormatException error)
            {
                error.Message.ShouldNotBeEmpty();
            }
        });

    private static ulong Entry(int symbol) => (ulong)(SymbolsAt + symbol * EntrySize);

    /// <summary>The parts of a library that matter, as the System V ABI lays them out: header, symbols, their names and versions, and three section headers at the end.</summary>
    private static byte[] Library()
    {
        (string Name, int Binding, int Type, int Section, int Version)[] symbols =
        [
            ("", Local, 0, 0, 0),
            ("called", Global, Function, 0, 1),
            ("read", Global, Data, 0, 1),
            ("of_the_system", Global, Function, 0, 2),
            ("may_be_missing", Weak, Function, 0, 1),
            ("its_own", Global, Function, 7, 1),
        ];
        var names = Encoding.ASCII.GetBytes(string.Concat(symbols.Select(s => s.Name + '\0')));
        var namesAt = SymbolsAt + symbols.Length * EntrySize;
        var versionsAt = namesAt + names.Length;
        var tableAt = (versionsAt + 2 * symbols.Length + 7) / 8 * 8;
        var image = new byte[tableAt + 3 * 64];
        "\u007fELF"u8.CopyTo(image);
        (image[4], image[5], image[6]) = (2, 1, 1); // 64 bits, little-endian, version 1
        BinaryPrimitives.WriteInt64LittleEndian(image.AsSpan(0x28), tableAt);
        BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(0x3a), 64);
        BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(0x3c), 3);
        var name = 0;
        for (var i = 0; i < symbols.Length; i++)
        {
            var entry = image.AsSpan((int)Entry(i), EntrySize);
            BinaryPrimitives.WriteInt32LittleEndian(entry, name);
            entry[4] = (byte)(symbols[i].Binding << 4 | symbols[i].Type);
            BinaryPrimitives.WriteUInt16LittleEndian(entry[6..], (ushort)symbols[i].Section);
            BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(versionsAt + 2 * i), (ushort)symbols[i].Version);
            name += symbols[i].Name.Length + 1;
        }
        names.CopyTo(image, namesAt);
        Section(0, 3, namesAt, names.Length); // SHT_STRTAB
        Section(1, 11, SymbolsAt, namesAt - SymbolsAt); // SHT_DYNSYM, whose names are section 0
        Section(2, 0x6fffffff, versionsAt, 2 * symbols.Length); // SHT_GNU_versym
        return image;

        void Section(int number, uint type, int at, int size)
        {
            var header = image.AsSpan(tableAt + 64 * number, 64);
            BinaryPrimitives.WriteUInt32LittleEndian(header[4..], type);
            BinaryPrimitives.WriteInt64LittleEndian(header[24..], at);
            BinaryPrimitives.WriteInt64LittleEndian(header[32..], size);
        }
    }
}
