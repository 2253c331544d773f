using System.Buffers.Binary;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Tessera.Runtime;

namespace Tessera.Tests.Runtime;

public sealed class ElfSymbolVersionsTests
{
    private const string Wanted = "GLIBCXX_3.4.32";

    [Fact]
    public void Sets_The_Weak_Flag_Of_The_Version_And_Nothing_Else()
    {
        var (image, flags) = Library();
        var edited = image.ToArray();

        ElfSymbolVersions.MakeOptional(edited, Wanted);

        var changed = Enumerable.Range(0, image.Length).Where(index => image[index] != edited[index]);
        changed.ShouldBe([flags[Wanted]]);
        edited[flags[Wanted]].ShouldBe((byte)2);
    }

    [Fact]
    public void Changes_Nothing_More_The_Second_Time()
    {
        var (image, _) = Library();
        ElfSymbolVersions.MakeOptional(image, Wanted);
        var once = image.ToArray();

        ElfSymbolVersions.MakeOptional(image, Wanted);

        image.ShouldBe(once);
    }

    [Fact]
    public void Changes_One_Byte_Of_The_Library_It_Is_For()
    {
        var file = Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", "libLibTorchSharp.so");
        Assert.SkipUnless(File.Exists(file), "TorchSharp's library for Linux is not part of this build.");
        var image = File.ReadAllBytes(file);
        var edited = image.ToArray();

        ElfSymbolVersions.MakeOptional(edited, Wanted);

        var changed = Enumerable.Range(0, image.Length).Where(index => image[index] != edited[index]).ShouldHaveSingleItem();
        (edited[changed] & ~image[changed]).ShouldBe(2);
    }

    [Theory]
    [InlineData("GLIBCXX_3.4.3")] // the beginning of one that is required
    [InlineData("LIBCXX_3.4.32")] // its end
    [InlineData("GLIBCXX_3.4.33")]
    [InlineData("GLIBC_9.9")] // among the names, but no requirement has it
    public void Refuses_A_Version_That_Is_Not_Required(string version)
    {
        var (image, _) = Library();
        var before = image.ToArray();

        Should.Throw<ElfFormatException>(() => ElfSymbolVersions.MakeOptional(image, version))
            .Message.ShouldBe($"the file does not require the symbol version {version}: there is nothing to edit");
        image.ShouldBe(before);
    }

    [Fact]
    public void Refuses_A_File_Cut_Short_At_Every_Length()
    {
        var (image, _) = Library();
        for (var length = 4; length < image.Length; length++)
        {
            Should.Throw<ElfFormatException>(() => ElfSymbolVersions.MakeOptional(image.AsSpan(0, length).ToArray(), Wanted))
                .Message.ShouldStartWith("the file is cut short: ", customMessage: $"cut to {length} bytes");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("\u007fEL")]
    [InlineData("MZ this is a program for another system, longer than an ELF file's header is")]
    public void Refuses_A_File_That_Is_Not_Elf(string text) =>
        Should.Throw<ElfFormatException>(() => ElfSymbolVersions.MakeOptional(Encoding.ASCII.GetBytes(text), Wanted))
            .Message.ShouldStartWith("this is not an ELF file");

    [Theory]
    [InlineData(4, 1)] // 32 bits
    [InlineData(5, 2)] // big-endian
    public void Refuses_Another_Kind_Of_Elf(int offset, byte value)
    {
        var (image, _) = Library();
        image[offset] = value;

        Should.Throw<ElfFormatException>(() => ElfSymbolVersions.MakeOptional(image, Wanted))
            .Message.ShouldBe("only 64-bit little-endian ELF files can be edited");
    }

    [Fact]
    public void Follows_The_Chains_And_Not_Counts_That_Would_Take_Hours()
    {
        var (image, flags) = Library();
        var info = image.Length - 64 + 44;
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(info), uint.MaxValue); // libraries
        var count = flags["GLIBCXX_3.4.21"] - 4 - 16 + 2;
        BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(count), ushort.MaxValue); // versions of the last one

        ElfSymbolVersions.MakeOptional(image, Wanted);

        image[flags[Wanted]].ShouldBe((byte)2);
    }

    [Property(MaxTest = 3000)]
    public Property Ends_With_An_Edit_Or_A_Refusal_Whatever_The_Bytes() => Prop.ForAll(
        Gen.Zip(Gen.Choose(0, 10_000), ArbMap.Default.GeneratorFor<byte>()).ListOf().ToArbitrary(),
        changes =>
        {
            var (image, _) = Library();
            foreach (var (place, value) in changes) image[place % image.Length] = value;
            try
            {
                ElfSymbolVersions.MakeOptional(image, Wanted);
            }
            catch (ElfFormatException error)
            {
                error.Message.ShouldNotBeEmpty();
            }
        });

    /// <summary>
    /// The parts of a library that matter, as the System V ABI lays them out: header, names, two libraries' required versions, and
    /// three section headers at the end. With it, where each version's flags are.
    /// </summary>
    private static (byte[] Image, Dictionary<string, int> Flags) Library()
    {
        var names = Encoding.ASCII.GetBytes("\0libstdc++.so.6\0GLIBCXX_3.4.32\0GLIBCXX_3.4.21\0libc.so.6\0GLIBC_2.4\0GLIBC_9.9\0");
        int Name(string text) => Encoding.ASCII.GetString(names).IndexOf($"\0{text}\0", StringComparison.Ordinal) + 1;
        (string Library, string[] Versions)[] needed = [("libc.so.6", ["GLIBC_2.4"]), ("libstdc++.so.6", ["GLIBCXX_3.4.21", Wanted])];

        const int namesAt = 64, entry = 16, sectionHeader = 64;
        var neededAt = (namesAt + names.Length + 7) / 8 * 8;
        var tableAt = neededAt + needed.Sum(one => entry * (1 + one.Versions.Length));
        var image = new byte[tableAt + 3 * sectionHeader];
        void Put16(int at, int value) => BinaryPrimitives.WriteUInt16LittleEndian(image.AsSpan(at), (ushort)value);
        void Put32(int at, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(at), value);
        void Put64(int at, int value) => BinaryPrimitives.WriteInt64LittleEndian(image.AsSpan(at), value);

        "\u007fELF"u8.CopyTo(image);
        (image[4], image[5], image[6]) = (2, 1, 1); // 64 bits, little-endian, version 1
        Put64(0x28, tableAt);
        Put16(0x3a, sectionHeader);
        Put16(0x3c, 3);
        names.CopyTo(image, namesAt);

        var flags = new Dictionary<string, int>();
        var at = neededAt;
        foreach (var (library, versions) in needed)
        {
            Put16(at, 1); // vn_version
            Put16(at + 2, versions.Length); // vn_cnt
            Put32(at + 4, (uint)Name(library)); // vn_file
            Put32(at + 8, entry); // vn_aux
            Put32(at + 12, library == needed[^1].Library ? 0 : (uint)(entry * (1 + versions.Length))); // vn_next
            at += entry;
            foreach (var version in versions)
            {
                flags[version] = at + 4; // vna_flags
                Put32(at + 8, (uint)Name(version)); // vna_name
                Put32(at + 12, version == versions[^1] ? 0 : (uint)entry); // vna_next
                at += entry;
            }
        }

        var strings = tableAt + sectionHeader;
        Put32(strings + 4, 3); // SHT_STRTAB
        Put64(strings + 24, namesAt);
        Put64(strings + 32, names.Length);
        var requirements = tableAt + 2 * sectionHeader;
        Put32(requirements + 4, 0x6ffffffe); // SHT_GNU_verneed
        Put64(requirements + 24, neededAt);
        Put64(requirements + 32, tableAt - neededAt);
        Put32(requirements + 40, 1); // its names are section 1
        Put32(requirements + 44, (uint)needed.Length);
        return (image, flags);
    }
}
