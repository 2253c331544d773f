using System.Runtime.InteropServices;
using System.Text;
using Tessera.Tests.Fixtures;
using Tessera.Weights;

namespace Tessera.Tests.Weights;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Reads_A_File_Made_By_An_Independent_Writer()
    {
        using var file = SafetensorsFile.Open(folder.File("m.safetensors", SafetensorsBytes.FromPython));

        file.Metadata.Count.ShouldBe(2);
        file.Metadata["format"].ShouldBe("pt");
        file.Metadata["made by"].ShouldBe("python 3.11, struct and json");
        file.Entries.Keys.ShouldBe(["optimiser.step", "patch_embed.proj.weight", "größe", "leer", "mask"]);
        file.Entries["patch_embed.proj.weight"].Type.ShouldBe(SafetensorsType.F32);
        file.Entries["patch_embed.proj.weight"].Shape.ShouldBe([2, 3]);
        file.Entries["patch_embed.proj.weight"].Offset.ShouldBe(8 + 456 + 8);
        file.Entries["optimiser.step"].Shape.ShouldBeEmpty();
        file.Entries["leer"].Type.ShouldBe(SafetensorsType.F16);
        file.Entries["leer"].Shape.ShouldBe([0, 4]);
        file.Entries["leer"].Length.ShouldBe(0);

        BitConverter.ToInt64(Bytes(file, "optimiser.step")).ShouldBe(-7);
        var weight = Bytes(file, "patch_embed.proj.weight");
        float[] expected = [1.5f, -2.25f, 0, float.PositiveInfinity, 1e-38f, MathF.PI];
        Enumerable.Range(0, 6).Select(i => BitConverter.ToSingle(weight, 4 * i)).ShouldBe(expected);
        Bytes(file, "größe").ShouldBe([0x80, 0x3f, 0x00, 0xc0, 0xc0, 0x7f]);
        Bytes(file, "leer").ShouldBeEmpty();
        Bytes(file, "mask").ShouldBe([1, 0, 1]);
    }

    [Fact]
    public void Reads_Into_Native_Memory()
    {
        using var file = SafetensorsFile.Open(folder.File("m.safetensors", SafetensorsBytes.TwoTensors));
        var values = new float[2];
        var pinned = GCHandle.Alloc(values, GCHandleType.Pinned);

        file.Read("b", pinned.AddrOfPinnedObject(), 8);

        pinned.Free();
        values.ShouldBe([1f, 2f]);
    }

    [Theory]
    [InlineData("F64", SafetensorsType.F64, 8)]
    [InlineData("F32", SafetensorsType.F32, 4)]
    [InlineData("F16", SafetensorsType.F16, 2)]
    [InlineData("BF16", SafetensorsType.BF16, 2)]
    [InlineData("I64", SafetensorsType.I64, 8)]
    [InlineData("I32", SafetensorsType.I32, 4)]
    [InlineData("I16", SafetensorsType.I16, 2)]
    [InlineData("I8", SafetensorsType.I8, 1)]
    [InlineData("U64", SafetensorsType.U64, 8)]
    [InlineData("U32", SafetensorsType.U32, 4)]
    [InlineData("U16", SafetensorsType.U16, 2)]
    [InlineData("U8", SafetensorsType.U8, 1)]
    [InlineData("BOOL", SafetensorsType.Bool, 1)]
    [InlineData("C64", SafetensorsType.C64, 8)]
    [InlineData("F8_E4M3", SafetensorsType.F8E4M3, 1)]
    [InlineData("F8_E5M2", SafetensorsType.F8E5M2, 1)]
    [InlineData("F8_E4M3FNUZ", SafetensorsType.F8E4M3Fnuz, 1)]
    [InlineData("F8_E5M2FNUZ", SafetensorsType.F8E5M2Fnuz, 1)]
    [InlineData("F8_E8M0", SafetensorsType.F8E8M0, 1)]
    public void Knows_The_Formats_Types(string name, SafetensorsType type, int bytes)
    {
        var json = $$$"""{"t":{"dtype":"{{{name}}}","shape":[3],"data_offsets":[0,{{{3 * bytes}}}]}}""";

        using var file = SafetensorsFile.Open(folder.File("m.safetensors", SafetensorsBytes.Of(json, new byte[3 * bytes])));

        file.Entries["t"].Type.ShouldBe(type);
        type.NameInFiles().ShouldBe(name);
        type.ElementBytes().ShouldBe(bytes);
    }

    [Fact]
    public void Opens_A_File_Without_Tensors()
    {
        using var file = SafetensorsFile.Open(folder.File("m.safetensors", SafetensorsBytes.Of("{}")));

        file.Entries.ShouldBeEmpty();
        file.Metadata.ShouldBeEmpty();
    }

    [Fact]
    public void Opens_Tensors_Described_In_Another_Order_Than_Their_Bytes()
    {
        const string json = """{"late":{"dtype":"U8","shape":[1],"data_offsets":[2,3]},"early":{"data_offsets":[0,2],"shape":[2,1],"dtype":"U8"}}   """;

        using var file = SafetensorsFile.Open(folder.File("m.safetensors", SafetensorsBytes.Of(json, 7, 8, 9)));

        file.Entries.Keys.ShouldBe(["early", "late"]);
        Bytes(file, "late").ShouldBe([9]);
    }

    [Theory]
    [InlineData("nothing", 1, "has no tensor 'nothing'; it has 2 others.")]
    [InlineData("b", 7, "tensor 'b' is F32 [1, 2], 8 bytes, but 7 were asked for.")]
    [InlineData("b", 9, "tensor 'b' is F32 [1, 2], 8 bytes, but 9 were asked for.")]
    public void Refuses_To_Read_What_Is_Not_There(string name, int length, string message)
    {
        using var file = SafetensorsFile.Open(folder.File("m.safetensors", SafetensorsBytes.TwoTensors));

        Should.Throw<SafetensorsException>(() => file.Read(name, new byte[length])).Message.ShouldEndWith(message);
    }

    [Fact]
    public void Refuses_To_Read_From_A_File_That_Shrank()
    {
        var path = folder.File("m.safetensors", SafetensorsBytes.TwoTensors);
        using var file = SafetensorsFile.Open(path);
        using (var writer = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite))
            writer.SetLength(SafetensorsBytes.TwoTensors.Length - 1);

        Should.Throw<SafetensorsException>(() => file.Read("b", new byte[8]))
            .Message.ShouldEndWith("became shorter since it was opened: tensor 'b' is not whole.");
        Bytes(file, "a").ShouldBe([1, 2, 3, 4]);
    }

    [Fact]
    public void Refuses_A_File_That_Is_Not_There() =>
        Should.Throw<SafetensorsException>(() => SafetensorsFile.Open(folder.File("none")))
            .Message.ShouldEndWith("none cannot be read as safetensors: there is no such file.");

    [Fact]
    public void Refuses_A_Folder() =>
        Should.Throw<SafetensorsException>(() => SafetensorsFile.Open(folder.Path))
            .Message.ShouldStartWith($"{folder.Path} cannot be read: ");

    [Fact]
    public void Refuses_A_File_Cut_Short_At_Every_Length()
    {
        for (var length = 0; length < SafetensorsBytes.FromPython.Length; length++)
        {
            var path = folder.File("m.safetensors", SafetensorsBytes.FromPython[..length]);
            Should.Throw<SafetensorsException>(() => SafetensorsFile.Open(path), $"cut to {length} bytes")
                .Message.ShouldStartWith($"{path} cannot be read as safetensors: ");
        }
    }

    [Theory]
    [InlineData(100_000_001UL, "it claims a header of 100000001 bytes, above the format's limit of 100000000.")]
    [InlineData(ulong.MaxValue, "it claims a header of 18446744073709551615 bytes, above the format's limit of 100000000.")]
    [InlineData(100_000_000UL, "it claims a header of 100000000 bytes, but only 2 follow: it may be cut short.")]
    public void Refuses_A_Header_Longer_Than_Allowed_Or_There(ulong claimed, string message) =>
        Refused(SafetensorsBytes.Of(claimed, [(byte)'{', (byte)'}']), message);

    [Fact]
    public void Does_Not_Allocate_What_A_Header_Claims()
    {
        var longHeader = folder.File("header", SafetensorsBytes.Of(99_999_999, Encoding.UTF8.GetBytes("{}")));
        var longTensor = folder.File("tensor", SafetensorsBytes.Of("""{"t":{"dtype":"U8","shape":[99999999999],"data_offsets":[0,99999999999]}}"""));
        var before = GC.GetAllocatedBytesForCurrentThread();

        Should.Throw<SafetensorsException>(() => SafetensorsFile.Open(longHeader));
        Should.Throw<SafetensorsException>(() => SafetensorsFile.Open(longTensor));

        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1_000_000);
    }

    private void Refused(byte[] content, string message)
    {
        var path = folder.File("m.safetensors", content);
        Should.Throw<SafetensorsException>(() => SafetensorsFile.Open(path))
            .Message.ShouldBe($"{path} cannot be read as safetensors: {message}");
    }

    private static byte[] Bytes(SafetensorsFile file, string name)
    {
        var bytes = new byte[file.Entries[name].Length];
        file.Read(name, bytes);
        return bytes;
    }
}
