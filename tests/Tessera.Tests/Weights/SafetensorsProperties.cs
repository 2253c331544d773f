using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Tessera.Tests.Fixtures;
using Tessera.Weights;

namespace Tessera.Tests.Weights;

public sealed class SafetensorsProperties : IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Property(MaxTest = 200)]
    public Property Gives_Back_What_Was_Written() => Prop.ForAll(Models(), model =>
    {
        var path = folder.File("m.safetensors");
        SafetensorsTensor[] tensors = [.. model.Tensors.Select(t => SafetensorsTensor.FromMemory(t.Name, t.Type, t.Shape, t.Content))];
        SafetensorsWriter.Write(path, tensors, model.Metadata);

        using var file = SafetensorsFile.Open(path);
        file.Metadata.ShouldBe(model.Metadata, ignoreOrder: true);
        file.Entries.Keys.ShouldBe(model.Tensors.Select(t => t.Name), ignoreOrder: true);
        foreach (var tensor in model.Tensors)
        {
            file.Entries[tensor.Name].Type.ShouldBe(tensor.Type);
            file.Entries[tensor.Name].Shape.ShouldBe(tensor.Shape);
            var content = new byte[file.Entries[tensor.Name].Length];
            file.Read(tensor.Name, content);
            content.ShouldBe(tensor.Content);
        }
        (file.Entries.Values.Select(entry => entry.Offset).DefaultIfEmpty(0).Min() % 8).ShouldBe(0);
    });

    [Property(MaxTest = 2000)]
    public Property Opens_A_Mutated_File_Consistently_Or_Refuses_It() => Prop.ForAll(Mutations(), mutated =>
    {
        var path = folder.File("m.safetensors", mutated);
        try
        {
            using var file = SafetensorsFile.Open(path);
            var end = (long)(8 + BitConverter.ToUInt64(mutated));
            foreach (var entry in file.Entries.Values)
            {
                entry.Offset.ShouldBe(end);
                entry.Length.ShouldBe(entry.Shape.Aggregate((long)entry.Type.ElementBytes(), (product, side) => checked(product * side)));
                file.Read(entry.Name, new byte[entry.Length]);
                end += entry.Length;
            }
            end.ShouldBe(mutated.Length);
        }
        catch (SafetensorsException error)
        {
            error.Message.ShouldStartWith(path);
            error.Message.ShouldEndWith(".");
        }
    });

    private static Arbitrary<Model> Models()
    {
        var side = Gen.Choose(0, 5).Select(value => (long)value);
        var tensor = from name in Gen.Elements("w", "blocks.0.attn.qkv.weight", "größe", "\"\\/\n", "", "字", "🙂", "norm", "bias", "x")
                     from type in Gen.Elements(Enum.GetValues<SafetensorsType>())
                     from shape in Gen.ArrayOf(side).Where(shape => shape.Length <= 4)
                     let length = shape.Aggregate((long)type.ElementBytes(), (product, side) => product * side)
                     from content in Gen.ArrayOf(ArbMap.Default.GeneratorFor<byte>(), (int)length)
                     select new ModelTensor(name, type, shape, content);
        var word = Gen.Elements("format", "pt", "épreuve", "", "{\"depth\":12}", "\t\u0001", "😀");
        return (from tensors in Gen.ListOf(tensor)
                from pairs in Gen.ListOf(Gen.Zip(word, word))
                let metadata = pairs.DistinctBy(pair => pair.Item1).ToDictionary(pair => pair.Item1, pair => pair.Item2)
                select new Model([.. tensors.DistinctBy(one => one.Name)], metadata)).ToArbitrary();
    }

    /// <summary>A valid file with one to four pieces cut out, or replaced by something that JSON or the format cares for.</summary>
    private static Arbitrary<byte[]> Mutations()
    {
        var anyByte = ArbMap.Default.GeneratorFor<byte>().Select(value => new[] { value });
        var digit = Gen.Elements("0123456789".ToCharArray()).Select(value => new[] { (byte)value });
        var token = Gen.Elements("{", "}", "[", "]", ",", ":", "\"", "-", "e", "\\u", "F64", "12", "[0,12]", "4294967296", "🙂", "__metadata__", "null")
            .Select(Encoding.UTF8.GetBytes);
        var piece = Gen.Frequency((1, anyByte), (8, digit), (4, token), (1, Gen.Constant(Array.Empty<byte>())));
        var change = from at in Gen.Choose(0, 1_000_000)
                     from inserted in piece
                     from removed in Gen.Frequency((3, Gen.Constant(inserted.Length)), (1, Gen.Choose(0, 3)))
                     from fixHeaderLength in Gen.Frequency((4, Gen.Constant(true)), (1, Gen.Constant(false)))
                     select new Change(at, removed, inserted, fixHeaderLength);
        return (from valid in Gen.Elements(SafetensorsBytes.TwoTensors, SafetensorsBytes.FromPython)
                from count in Gen.Choose(1, 4)
                from changes in Gen.ListOf(change, count)
                select changes.Aggregate(valid, (bytes, one) => one.Apply(bytes))).ToArbitrary();
    }

    private sealed record ModelTensor(string Name, SafetensorsType Type, long[] Shape, byte[] Content);

    private sealed record Model(List<ModelTensor> Tensors, Dictionary<string, string> Metadata);

    /// <param name="At">Where, modulo the file's length.</param>
    /// <param name="Removed">Bytes taken out there.</param>
    /// <param name="Inserted">Bytes put in there.</param>
    /// <param name="FixHeaderLength">The first 8 bytes follow the change, so that it is met inside the JSON and not before.</param>
    private sealed record Change(int At, int Removed, byte[] Inserted, bool FixHeaderLength)
    {
        public byte[] Apply(byte[] bytes)
        {
            if (bytes.Length == 0) return bytes;
            var at = At % bytes.Length;
            var removed = Math.Min(Removed, bytes.Length - at);
            byte[] changed = [.. bytes[..at], .. Inserted, .. bytes[(at + removed)..]];
            if (!FixHeaderLength || at < 8 || changed.Length < 8) return changed;
            var header = BitConverter.ToUInt64(changed);
            if (at < 8 + (long)header) BitConverter.TryWriteBytes(changed, header + (ulong)(Inserted.Length - removed));
            return changed;
        }
    }
}
