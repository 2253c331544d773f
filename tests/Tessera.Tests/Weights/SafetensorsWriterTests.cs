using System.Runtime.InteropServices;
using System.Text;
using Tessera.Tests.Fixtures;
using Tessera.Weights;

namespace Tessera.Tests.Weights;

public sealed class SafetensorsWriterTests : IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Writes_The_Published_Layout_Byte_For_Byte()
    {
        var path = folder.File("m.safetensors");

        SafetensorsWriter.Write(path, [
            SafetensorsTensor.FromMemory("größe", [2, 1], new[] { 1f, -2f }),
            SafetensorsTensor.FromMemory("b", SafetensorsType.U8, [3], new byte[] { 7, 8, 9 }),
        ], new Dictionary<string, string> { ["zeta"] = "<1>", ["alpha"] = "a\"b" });

        const string json = """{"__metadata__":{"alpha":"a\"b","zeta":"<1>"},"größe":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}""";
        var header = Encoding.UTF8.GetBytes(json);
        var padded = header.Concat(Enumerable.Repeat((byte)' ', (8 - header.Length % 8) % 8)).ToArray();
        File.ReadAllBytes(path).ShouldBe(SafetensorsBytes.Of(padded, 0, 0, 128, 63, 0, 0, 0, 192, 7, 8, 9));
        Directory.GetFiles(folder.Path).ShouldBe([path]);
    }

    [Fact]
    public void Writes_A_File_Without_Tensors()
    {
        var path = folder.File("m.safetensors");

        SafetensorsWriter.Write(path, [], null);

        File.ReadAllBytes(path).ShouldBe(SafetensorsBytes.Of("{}      "));
    }

    [Fact]
    public void Keeps_Every_Tensor_Aligned_To_Its_Elements()
    {
        var path = folder.File("m.safetensors");
        SafetensorsTensor Tensor(string name, SafetensorsType type) =>
            SafetensorsTensor.FromMemory(name, type, [3], new byte[3 * type.ElementBytes()]);

        SafetensorsWriter.Write(path, [
            Tensor("a", SafetensorsType.U8),
            Tensor("b", SafetensorsType.BF16),
            Tensor("c", SafetensorsType.F32),
            Tensor("d", SafetensorsType.I64),
            Tensor("e", SafetensorsType.F32),
        ], null);

        using var file = SafetensorsFile.Open(path);
        file.Entries.Keys.ShouldBe(["d", "c", "e", "b", "a"]);
        file.Entries.Values.ShouldAllBe(entry => entry.Offset % entry.Type.ElementBytes() == 0);
    }

    [Fact]
    public void Writes_From_Native_Memory()
    {
        var path = folder.File("m.safetensors");
        var pinned = GCHandle.Alloc(new[] { 0.5, double.NaN }, GCHandleType.Pinned);

        SafetensorsWriter.Write(path, [SafetensorsTensor.FromNative("t", SafetensorsType.F64, [2], pinned.AddrOfPinnedObject(), 16)], null);

        pinned.Free();
        File.ReadAllBytes(path)[^16..].ShouldBe([.. BitConverter.GetBytes(0.5), .. BitConverter.GetBytes(double.NaN)]);
    }

    [Fact]
    public void Asks_For_One_Tensor_At_A_Time()
    {
        var path = folder.File("m.safetensors");
        var alive = 0;
        var most = 0;
        SafetensorsTensor Tensor(string name) => new(name, SafetensorsType.U8, [2], stream =>
        {
            most = Math.Max(most, ++alive);
            stream.Write([1]);
            stream.WriteByte(2);
            alive--;
        });

        SafetensorsWriter.Write(path, [Tensor("a"), Tensor("b")], null);

        most.ShouldBe(1);
        File.ReadAllBytes(path)[^4..].ShouldBe([1, 2, 1, 2]);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(5)]
    public void Keeps_The_Old_File_Where_A_Tensor_Gives_Another_Number_Of_Bytes(int given)
    {
        var path = folder.File("m.safetensors", [1, 2, 3]);

        var tensor = SafetensorsTensor.FromMemory("t", SafetensorsType.U8, [2, 2], new byte[given]);
        var error = Should.Throw<SafetensorsException>(() => SafetensorsWriter.Write(path, [tensor], null));

        error.Message.ShouldBe($"{path} cannot be written: tensor 't' of shape [2, 2] takes 4 bytes, but {given} were given.");
        OldFileStands(path);
    }

    [Fact]
    public void Keeps_The_Old_File_Where_A_Tensor_Cannot_Be_Had()
    {
        var path = folder.File("m.safetensors", [1, 2, 3]);
        var tensor = new SafetensorsTensor("t", SafetensorsType.U8, [4], _ => throw new InvalidOperationException("the device is lost"));

        Should.Throw<InvalidOperationException>(() => SafetensorsWriter.Write(path, [tensor], null)).Message.ShouldBe("the device is lost");
        OldFileStands(path);
    }

    [Fact]
    public void Keeps_The_Old_File_Where_The_Disk_Cannot_Hold_The_New_One()
    {
        var path = folder.File("m.safetensors", [1, 2, 3]);
        var asked = false;
        var tensor = new SafetensorsTensor("t", SafetensorsType.U8, [1L << 61], _ => asked = true); // 2 EiB: no disk holds it

        Should.Throw<SafetensorsException>(() => SafetensorsWriter.Write(path, [tensor], null))
            .Message.ShouldStartWith($"{path} cannot be written: ");
        asked.ShouldBeFalse();
        OldFileStands(path);
    }

    [Fact]
    public void Refuses_A_Folder_That_Is_Not_There()
    {
        var path = Path.Combine(folder.Path, "none", "m.safetensors");

        Should.Throw<SafetensorsException>(() => SafetensorsWriter.Write(path, [], null))
            .Message.ShouldStartWith($"{path} cannot be written: ");
    }

    [Fact]
    public void Refuses_To_Replace_A_Folder_And_Leaves_Nothing_Behind()
    {
        var path = folder.File("m.safetensors");
        Directory.CreateDirectory(path);

        Should.Throw<SafetensorsException>(() => SafetensorsWriter.Write(path, [], null))
            .Message.ShouldStartWith($"{path} cannot be written: ");
        Directory.GetFileSystemEntries(folder.Path).ShouldBe([path]);
    }

    [Fact]
    public void Overwrites_What_A_Killed_Process_Left()
    {
        var path = folder.File("m.safetensors");
        folder.File("m.safetensors.partial", new byte[1000]);

        SafetensorsWriter.Write(path, [], null);

        File.ReadAllBytes(path).Length.ShouldBe(16);
        Directory.GetFiles(folder.Path).ShouldBe([path]);
    }

    [Fact]
    public void Lets_Only_One_Writer_At_A_File()
    {
        var path = folder.File("m.safetensors");
        var outer = new SafetensorsTensor("t", SafetensorsType.U8, [1], stream =>
        {
            Should.Throw<SafetensorsException>(() => SafetensorsWriter.Write(path, [], null));
            stream.WriteByte(1);
        });

        SafetensorsWriter.Write(path, [outer], null);

        using var file = SafetensorsFile.Open(path);
        file.Entries.Keys.ShouldBe(["t"]);
    }

    [Fact]
    public void Refuses_What_The_Format_Cannot_Store()
    {
        var path = folder.File("m.safetensors");
        string Refusal(string[] names, long[] shape, IReadOnlyDictionary<string, string>? metadata = null)
        {
            SafetensorsTensor[] tensors = [.. names.Select(name => SafetensorsTensor.FromMemory(name, SafetensorsType.U8, shape, new byte[1]))];
            return Should.Throw<ArgumentException>(() => SafetensorsWriter.Write(path, tensors, metadata)).Message;
        }

        Refusal(["a", "a"], [1]).ShouldStartWith("Two tensors are named 'a'.");
        Refusal(["__metadata__"], [1]).ShouldStartWith("No tensor may be named '__metadata__'.");
        Refusal(["a"], [-1]).ShouldStartWith("Tensor 'a' has a shape that cannot be stored: [-1].");
        Refusal(["a"], [1L << 32, 1L << 32]).ShouldStartWith("Tensor 'a' has a shape that cannot be stored: [4294967296, 4294967296].");
        Refusal(["a"], [.. Enumerable.Repeat(1L, 65)]).ShouldStartWith("Tensor 'a' has a shape that cannot be stored: [1, 1");
        Refusal(["a\ud800"], [1]).ShouldContain("is not valid Unicode.");
        Refusal(["a"], [1], new Dictionary<string, string> { ["k"] = "\udc00" }).ShouldContain("is not valid Unicode.");
        Directory.GetFileSystemEntries(folder.Path).ShouldBeEmpty();
    }

    private void OldFileStands(string path)
    {
        File.ReadAllBytes(path).ShouldBe([1, 2, 3]);
        Directory.GetFiles(folder.Path).ShouldBe([path]);
    }
}
