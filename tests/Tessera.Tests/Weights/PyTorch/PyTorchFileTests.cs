using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using Tessera.Tests.Fixtures;
using Tessera.Weights;
using Tessera.Weights.PyTorch;

namespace Tessera.Tests.Weights.PyTorch;

public sealed class PyTorchFileTests : IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Reads_Tensors_By_The_Way_To_Them_Whatever_Their_Strides(bool older)
    {
        using var file = Open(PyTorchBytes.Checkpoint(older));

        file.Entries.Keys.ShouldBe(["model.a.weight", "model.a.turned", "model.a.bias", "model.steps"]);
        file.Entries["model.a.turned"].Shape.ShouldBe([3, 2]);
        file.Entries["model.steps"].ShouldSatisfyAllConditions(e => e.Type.ShouldBe(SafetensorsType.I64), e => e.Shape.ShouldBeEmpty(), e => e.Length.ShouldBe(8));
        Floats(file, "model.a.weight").ShouldBe([1, 2, 3, 4, 5, 6]);
        Floats(file, "model.a.turned").ShouldBe([1, 4, 2, 5, 3, 6]);
        Floats(file, "model.a.bias").ShouldBe([5, 6]);
        var steps = new byte[8];
        file.Read("model.steps", steps);
        BitConverter.ToInt64(steps).ShouldBe(42);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Keeps_A_Trainings_Arguments_As_Plain_Facts(bool older)
    {
        using var file = Open(PyTorchBytes.Checkpoint(older));

        var root = file.Root.ShouldBeOfType<PickledDictionary>();
        root["epoch"].ShouldBe(7L);
        root["rates"].ShouldBeOfType<List<object?>>().ShouldBe([0.1]);
        var arguments = root["args"].ShouldBeOfType<PickledObject>();
        arguments.Type.ShouldBe("argparse.Namespace");
        arguments.State.ShouldBeOfType<PickledDictionary>()["model"].ShouldBe("mae_vit_base_patch16");
    }

    [Fact]
    public void Reads_A_View_Of_A_Storage_In_The_Older_Format()
    {
        var pickle = new PickleBytes().Tensor(p => p.Storage("FloatStorage", "0", 6, older: true, ("v", 2, 3)), 1, [2], [1]).End();
        using var file = Open(PyTorchBytes.Older(pickle, ("0", 6, PyTorchBytes.Floats(1, 2, 3, 4, 5, 6))));
        Floats(file, "tensor").ShouldBe([4, 5]);
    }

    /// <summary>Ten bytes recall a list and have it copied: a hundred kilobytes would become gigabytes.</summary>
    [Fact]
    public void Refuses_To_Copy_A_List_Without_End()
    {
        var pickle = new PickleBytes().Code("](");
        for (var i = 0; i < 20_000; i++) pickle.Whole(i % 256);
        pickle.Code("eq").Code(0).Code("0](").Global("builtins", "list").Code("q").Code(1);
        for (var i = 0; i < 5_000; i++) pickle.Code("h").Code(1).Code("h").Code(0).Code(0x85).Code("R");

        var refused = Should.Throw<PyTorchFileException>(() => Open(PyTorchBytes.Older(pickle.Code("e").End())));

        refused.Message.ShouldContain("its calls copy more than 8,000,000 values (byte ");
    }

    public static TheoryData<string, string> Refused => new()
    {
        { "os", "system" }, { "posix", "system" }, { "builtins", "eval" }, { "__builtin__", "exec" }, { "builtins", "getattr" }, { "subprocess", "Popen" },
        { "torch.nn.modules.linear", "Linear" }, { "torch.storage", "_load_from_bytes" }, { "functools", "partial" }, { "torch", "load" }, { "numpy", "load" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public void Refuses_Every_Other_Name_And_Says_It(string module, string name)
    {
        var called = new PickleBytes().Global(module, name).Text("touch /tmp/here").Code(0x85).Code("R").End();
        var stacked = new PickleBytes(4).Code(0x8c, (byte)module.Length).Code(module).Code(0x8c, (byte)name.Length).Code(name).Code(0x93).End();
        var instance = new PickleBytes().Code($"(i{module}\n{name}\n").End();
        foreach (var pickle in new[] { called, stacked, instance })
        {
            foreach (var content in new[] { PyTorchBytes.Archive(pickle), PyTorchBytes.Older(pickle) })
            {
                var error = Should.Throw<PyTorchFileException>(() => Open(content));
                error.Message.ShouldContain($"'{module}.{name}'");
                error.Message.ShouldContain("nothing of the file was run");
                error.Message.Split('\n').Length.ShouldBe(1);
            }
        }
    }

    public static TheoryData<string, byte[]> Damaged()
    {
        var file = PyTorchBytes.Checkpoint(older: false);
        var (older, floats) = (PyTorchBytes.Checkpoint(older: true), PyTorchBytes.Floats(1, 2));
        byte[] Of(long count, long offset, long[] shape, long[] strides) =>
            PyTorchBytes.Archive(new PickleBytes().Tensor(p => p.Storage("FloatStorage", "0", count), offset, shape, strides).End(), ("0", floats));
        return new()
        {
            { "without data.pkl", PyTorchBytes.Zip([("other", [1])]) },
            { "is compressed", PyTorchBytes.Zip([("data.pkl", new byte[1 << 20])], CompressionLevel.SmallestSize) },
            { "TorchScript", PyTorchBytes.Zip([("data.pkl", [1]), ("constants.pkl", [1])]) },
            { "byte order", PyTorchBytes.Zip([("data.pkl", [1]), ("byteorder", Encoding.ASCII.GetBytes("big"))]) },
            { "version", PyTorchBytes.Zip([("data.pkl", [1]), ("version", Encoding.ASCII.GetBytes("11"))]) },
            { "cut short", file[..(file.Length / 2)] },
            { "cut short", older[..^1] },
            { "no magic number", new PickleBytes().Whole(5).End() },
            { "neither as a zip archive nor as a pickle", Encoding.ASCII.GetBytes("ustar") },
            { "claims 4611686018427387904 elements", Of(1L << 62, 0, [1], [1]) },
            { "claims 12 bytes and has 8", Of(3, 0, [1], [1]) },
            { "reaches beyond its storage", Of(2, 1, [2], [1]) },
            { "reaches beyond its storage", Of(2, 0, [2], [2]) },
            { "or repeats elements", Of(2, 0, [1L << 40], [0]) },
            { "or repeats elements", Of(2, 0, [1L << 62, 1L << 62], [0, 0]) },
            { "negative", Of(2, 1, [2], [-1]) },
            { "2 sides has 1 strides", Of(2, 0, [1, 1], [1]) },
            { "no record of the storage 'x'", PyTorchBytes.Archive(new PickleBytes().Tensor(p => p.Storage("FloatStorage", "x", 1), 0, [1], [1]).End()) },
            { "is not known", PyTorchBytes.Archive(new PickleBytes().Tensor(p => p.Storage("Size", "0", 1), 0, [1], [1]).End(), ("0", floats)) },
            { "a length of 2147483647 is claimed", PyTorchBytes.Archive([0x80, 2, (byte)'X', 255, 255, 255, 127]) },
            { "missing on its stack", PyTorchBytes.Archive([0x80, 2, (byte)'R', (byte)'.']) },
            { "a mark is missing", PyTorchBytes.Archive([0x80, 2, (byte)'t', (byte)'.']) },
            { "recalled before", PyTorchBytes.Archive([0x80, 2, (byte)'h', 0, (byte)'.']) },
            { "0x82, which PyTorch does not write", PyTorchBytes.Archive([0x80, 2, 0x82, 0, (byte)'.']) },
            { "what is called is no name", PyTorchBytes.Archive(new PickleBytes().Whole(1).Code(")R").End()) },
            { "protocol is above 5", PyTorchBytes.Archive([0x80, 6, (byte)'N', (byte)'.']) },
            { "64 deep", PyTorchBytes.Archive(new PickleBytes().Code(string.Concat(Enumerable.Repeat("]", 80)) + string.Concat(Enumerable.Repeat("a", 79))).End()) },
        };
    }

    [Theory]
    [MemberData(nameof(Damaged))]
    public void Says_In_One_Sentence_What_Is_Wrong(string what, byte[] content)
    {
        var error = Should.Throw<PyTorchFileException>(() => Open(content));
        error.Message.ShouldStartWith(folder.Path);
        error.Message.ShouldContain(what);
        error.Message.ShouldEndWith(".");
    }

    [Fact]
    public void A_List_That_Holds_Itself_Ends()
    {
        using var file = Open(PyTorchBytes.Archive(new PickleBytes().Code("]q").Code(0).Code("h").Code(0).Code("a").End()));
        file.Entries.ShouldBeEmpty();
    }

    /// <summary>Thirty lists, each of which holds the one before twice: 2³⁰ ways to the tensor at the bottom.</summary>
    [Fact]
    public void What_Can_Be_Reached_In_Many_Ways_Is_Listed_Once()
    {
        var pickle = new PickleBytes().Tensor(p => p.Storage("FloatStorage", "0", 1), 0, [1], [1]).Code(0x85);
        for (var i = 0; i < 30; i++) pickle.Code("2").Code(0x86);
        using var file = Open(PyTorchBytes.Archive(pickle.End(), ("0", PyTorchBytes.Floats(3))));
        file.Entries.Count.ShouldBe(1);
        Floats(file, file.Entries.Keys.Single()).ShouldBe([3]);
    }

    [Fact]
    public void Gives_Back_What_Was_Written()
    {
        var path = folder.File("w.pth");
        float[] values = [1.5f, -2, 3, 4, 5, 6];
        PyTorchWriter.Write(path,
            [
                SafetensorsTensor.FromMemory("a.weight", [2, 3], values),
                SafetensorsTensor.FromMemory("größe", SafetensorsType.I64, [], BitConverter.GetBytes(7L)),
                SafetensorsTensor.FromMemory("empty", SafetensorsType.BF16, [0, 4], Array.Empty<byte>()),
            ], "model");
        using var file = PyTorchFile.Open(path);
        file.Entries.Keys.ShouldBe(["model.a.weight", "model.größe", "model.empty"]);
        file.Entries["model.empty"].Shape.ShouldBe([0, 4]);
        Floats(file, "model.a.weight").ShouldBe(values);
    }

    [Fact]
    public void Refuses_To_Write_What_Pytorch_Has_No_Storage_For()
    {
        var tensor = SafetensorsTensor.FromMemory("t", SafetensorsType.F8E8M0, [1], new byte[1]);
        Should.Throw<ArgumentException>(() => PyTorchWriter.Write(folder.File("t.pth"), [tensor])).Message.ShouldContain("no storage of F8_E8M0");
        File.Exists(folder.File("t.pth")).ShouldBeFalse();
    }

    /// <summary>Seeded; of both formats. What opens is read whole, and holds what the file's size can back.</summary>
    [Theory]
    [InlineData(false, 2000)]
    [InlineData(true, 2000)]
    public void A_Mutated_File_Ends_In_An_Error_Or_A_Correct_Read(bool older, int count)
    {
        var whole = PyTorchBytes.Checkpoint(older);
        var random = new Random(20240607);
        var (read, refused) = (0, 0);
        var before = GC.GetTotalAllocatedBytes();
        for (var i = 0; i < count; i++)
        {
            var mutated = Mutated(whole, random);
            try
            {
                using var file = Open(mutated);
                foreach (var entry in file.Entries.Values)
                {
                    entry.Length.ShouldBeLessThanOrEqualTo(mutated.Length);
                    file.Read(entry.Name, new byte[entry.Length]);
                }
                read++;
            }
            catch (PyTorchFileException e)
            {
                e.Message.ShouldStartWith(folder.Path);
                e.Message.ShouldEndWith(".");
                refused++;
            }
        }
        read.ShouldBeGreaterThan(count / 50);
        refused.ShouldBeGreaterThan(count / 10);
        ((GC.GetTotalAllocatedBytes() - before) / count).ShouldBeLessThan(1 << 20);
    }

    private static byte[] Mutated(byte[] whole, Random random)
    {
        var bytes = whole.ToList();
        for (var changes = random.Next(1, 4); changes > 0; changes--)
        {
            var at = random.Next(bytes.Count);
            switch (random.Next(5))
            {
                case 0: bytes[at] = (byte)random.Next(256); break;
                case 1: bytes[at] ^= (byte)(1 << random.Next(8)); break;
                case 2: bytes.RemoveRange(at, Math.Min(random.Next(1, 9), bytes.Count - at)); break;
                case 3: bytes.InsertRange(at, bytes.GetRange(at, Math.Min(random.Next(1, 9), bytes.Count - at))); break;
                default: for (var i = at; i < Math.Min(at + 8, bytes.Count); i++) bytes[i] = 0xff; break;
            }
            if (bytes.Count == 0) bytes.Add(0);
        }
        return [.. bytes];
    }

    private PyTorchFile Open(byte[] content) => PyTorchFile.Open(folder.File("m.pth", content));

    private static float[] Floats(PyTorchFile file, string name)
    {
        var bytes = new byte[file.Entries[name].Length];
        file.Read(name, bytes);
        return MemoryMarshal.Cast<byte, float>(bytes).ToArray();
    }
}
