using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Tessera.Imaging.Packing;
using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

public sealed class PackedFormatTests : IDisposable
{
    private const int HeaderFields = 64;

    private readonly TemporaryFolder folder = new();
    private readonly byte[] sound;

    public PackedFormatTests()
    {
        using (Packed.Pack(ImageSource.Open("shapes:12"), new ImageShape(3, 5, 3), folder["sound.tessera"])) { }
        sound = File.ReadAllBytes(folder["sound.tessera"]);
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Is_Laid_Out_As_Documented()
    {
        // An independent reader, after docs/formats.md.
        sound[..8].ShouldBe([0x89, (byte)'T', (byte)'S', (byte)'R', 0x0D, 0x0A, 0x1A, 0x0A]);
        Enumerable.Range(0, 4).Select(i => BitConverter.ToInt32(sound, 8 + (4 * i))).ShouldBe([1, 3, 5, 3]);
        var (count, testStart, names, catalogue, length) = (Field(0), Field(1), Field(2), Field(3), Field(4));
        (count, testStart, length).ShouldBe((13, 12, sound.Length));

        var labels = Aligned(4096 + (count * 45));
        BitConverter.ToInt32(sound, labels + 4).ShouldBe(1);
        var ends = labels + (4 * count);
        var text = ends + (4 * count);
        Encoding.UTF8.GetString(sound.AsSpan(text, BitConverter.ToInt32(sound, ends))).ShouldBe("train/arrow-000000");
        var json = JsonDocument.Parse(sound.AsMemory(text + names, catalogue)).RootElement;
        json.GetProperty("sourceKind").GetString().ShouldBe("shapes");
        json.GetProperty("classNames")[11].GetString().ShouldBe("triangle");

        var checksums = Aligned(text + names + catalogue);
        sound.Length.ShouldBe(checksums + 16); // one piece
        BitConverter.ToUInt64(sound, checksums).ShouldBe(XxHash3.HashToUInt64(sound.AsSpan(0, checksums)));
        BitConverter.ToUInt64(sound, checksums + 8).ShouldBe(XxHash3.HashToUInt64(sound.AsSpan(checksums, 8), sound.Length));

        int Field(int number) => (int)BitConverter.ToInt64(sound, 24 + (8 * number));
        static int Aligned(int place) => (place + 7) / 8 * 8;
    }

    [Fact]
    public void Refuses_A_File_Of_Which_Any_Byte_Was_Altered()
    {
        // Every byte of the header's fields and of all that follows the pixels; of the rest, every 16th.
        var places = Enumerable.Range(0, sound.Length).Where(place => place < HeaderFields || place > 4096 || place % 16 == 0);
        foreach (var place in places)
        {
            var altered = sound.ToArray();
            altered[place] ^= 0x10;
            Refusal(altered).ShouldStartWith(folder.Path, customMessage: $"byte {place}");
        }
    }

    [Theory]
    [InlineData(PackedHeader.Size, 0)]
    [InlineData(262_143, 0)]
    [InlineData(262_144, 0)]
    [InlineData(PackedHeader.PieceSize - 1, 0)]
    [InlineData(PackedHeader.PieceSize, 1)]
    [InlineData(5_000_000, 1)]
    public void Names_The_Piece_That_Was_Altered(int place, int piece)
    {
        var file = folder["two-pieces.tessera"];
        using (Packed.Pack(ImageSource.Open("shapes:100"), new ImageShape(3, 128, 128), file)) { }
        PackedImages.Open(file).Dispose();

        var altered = File.ReadAllBytes(file);
        altered[place] ^= 0x01;
        Refusal(altered).ShouldEndWith(
            $"was altered or damaged between bytes {piece * PackedHeader.PieceSize} and {(piece + 1) * PackedHeader.PieceSize}: pack again.");
    }

    [Fact]
    public void Refuses_A_File_Cut_Short_Anywhere()
    {
        for (var length = 0; length < sound.Length; length += length < HeaderFields + 4 ? 1 : 61)
            Refusal(sound[..length]).ShouldMatch(length < 8 ? "is not a packed Tessera file" : "is cut short: ");
    }

    [Fact]
    public void Says_What_Is_Wrong_With_A_File()
    {
        Refusal(Encoding.ASCII.GetBytes("PK and so on")).ShouldEndWith("is not a packed Tessera file: make one with \"tessera data pack\".");
        Refusal(sound[..5000]).ShouldEndWith($"is cut short: 5000 of at least {sound.Length} bytes are there; pack again.");
        Refusal([.. sound, 0]).ShouldEndWith("is 1 bytes longer than it should be: it was altered; pack again.");
        Refusal(Altered(8, [2, 0, 0, 0])).ShouldEndWith("was written by a newer version of Tessera (format 2, this one reads up to 1): update, or pack again.");
        Refusal(Altered(4200, [0, 1, 2, 3, 4])).ShouldEndWith($"was altered or damaged between bytes 0 and 4194304: pack again.");
        Should.Throw<PackedFormatException>(() => PackedImages.Open(folder["absent.tessera"])).Message.ShouldContain("absent.tessera cannot be read");
    }

    [Theory]
    [InlineData(12, 2)] // channels
    [InlineData(16, 0)] // height
    [InlineData(20, 5000)] // width
    [InlineData(24, 0)] // pictures
    [InlineData(24, long.MaxValue)]
    [InlineData(24, -1)]
    [InlineData(32, 14)] // training pictures
    [InlineData(40, int.MaxValue)] // bytes of names
    [InlineData(40, long.MinValue)]
    [InlineData(48, int.MaxValue)] // bytes of catalogue
    [InlineData(56, 0)] // length
    [InlineData(56, long.MaxValue)]
    public void Refuses_A_Header_That_Lies(int place, long value)
    {
        var field = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(field, value);
        Refusal(Altered(place, place < 24 ? field[..4] : field)).ShouldMatch("is damaged, its header makes no sense .*: pack again.$");
    }

    [Fact]
    public void Refuses_Sizes_That_Agree_With_Each_Other_But_Not_With_The_File()
    {
        var header = new PackedHeader(new ImageShape(3, 4096, 4096), int.MaxValue, 0, int.MaxValue, int.MaxValue);
        var page = new byte[4096];
        header.Write(page);
        Refusal([.. page, .. sound[4096..]]).ShouldContain("is cut short");
    }

    [Fact]
    public void Refuses_Tables_That_Make_No_Sense_Though_The_Checksum_Is_Right()
    {
        var header = PackedHeader.Read(sound, sound.Length, "sound");
        Refusal(Sealed(header, Altered((int)header.LabelsStart, [12, 0, 0, 0]))).ShouldContain("it has the label 12 and 12 classes");
        Refusal(Sealed(header, Altered((int)header.LabelsStart, [0xFE, 0xFF, 0xFF, 0xFF]))).ShouldContain("it has the label -2 and 12 classes");
        Refusal(Sealed(header, Altered((int)header.NameEndsStart, [0xFF, 0xFF, 0xFF, 0x7F]))).ShouldContain("its table of names makes no sense");
        Refusal(Sealed(header, Altered((int)header.NameEndsStart + 4, [1, 0, 0, 0]))).ShouldContain("its table of names makes no sense");
    }

    [Theory]
    [InlineData("\"classNames\":[\"arrow\",", "\"classNames\":[null   ,", "a null where a name should be")]
    [InlineData("\"classNames\":[\"arrow\",", "\"classNames\":[        ", "11 classes with 12 titles")]
    [InlineData("\"sourceKind\":\"shapes\"", "\"sourceKind\":null    ", "its catalogue is not what it should be")]
    [InlineData("\"sourceKind\"", "\"sourceSort\"", "its catalogue is not what it should be")]
    [InlineData("{\"sourceKind\"", " \"sourceKind\"", "its catalogue is not what it should be")]
    public void Refuses_A_Catalogue_That_Makes_No_Sense_Though_The_Checksum_Is_Right(string text, string replacement, string problem)
    {
        var header = PackedHeader.Read(sound, sound.Length, "sound");
        var place = sound.AsSpan().IndexOf(Encoding.UTF8.GetBytes(text));
        place.ShouldBePositive();
        Refusal(Sealed(header, Altered(place, Encoding.UTF8.GetBytes(replacement)))).ShouldContain(problem);
    }

    private byte[] Altered(int place, byte[] bytes)
    {
        var altered = sound.ToArray();
        bytes.CopyTo(altered, place);
        return altered;
    }

    private static byte[] Sealed(PackedHeader header, byte[] file)
    {
        var checksums = (int)header.ChecksumsStart; // one piece
        BitConverter.GetBytes(XxHash3.HashToUInt64(file.AsSpan(0, checksums))).CopyTo(file, checksums);
        BitConverter.GetBytes(XxHash3.HashToUInt64(file.AsSpan(checksums, 8), file.Length)).CopyTo(file, checksums + 8);
        return file;
    }

    private string Refusal(byte[] contents)
    {
        var file = folder.Write("altered.tessera", contents);
        return Should.Throw<PackedFormatException>(() => PackedImages.Open(file)).Message;
    }
}
