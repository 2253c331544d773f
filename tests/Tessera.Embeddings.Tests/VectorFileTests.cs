using System.Buffers.Binary;
using System.Text;
using DuckDB.NET.Data;

namespace Tessera.Embeddings.Tests;

public sealed class VectorFileTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("vectors-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    public static TheoryData<string> Endings => [.. VectorFile.Endings];

    [Theory]
    [MemberData(nameof(Endings))]
    public void Gives_Back_What_It_Was_Given(string ending)
    {
        var set = Some();

        VectorFile.Write(At(ending), set);
        var read = VectorFile.Read(At(ending));

        read.Vectors.Values.ShouldBe(set.Vectors.Values); // every bit
        read.Width.ShouldBe(3);
        read.Vectors.Labels.ShouldBe(set.Vectors.Labels);
        read.Names.ShouldBe(set.Names);
        read.Classes.ShouldBe(set.Classes);
        read.Origin.ShouldBe(set.Origin);
        Directory.GetFiles(folder).ShouldAllBe(file => !file.EndsWith(".partial", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(".parquet", "vector[1], vector[2], vector[3]", "'{0}'")]
    [InlineData(".csv", "v0, v1, v2", "read_csv('{0}', header = true)")]
    public void Is_Read_By_Another_Program(string ending, string values, string from)
    {
        var set = Some();
        VectorFile.Write(At(ending), set);
        using var connection = new DuckDBConnection("DataSource=:memory:");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = $"select name, class, {values} from {string.Format(System.Globalization.CultureInfo.InvariantCulture, from, At(ending))}";
        using var reader = command.ExecuteReader();

        for (var row = 0; row < set.Count; row++)
        {
            reader.Read().ShouldBeTrue();
            reader.GetString(0).ShouldBe(set.Names[row]);
            (reader.IsDBNull(1) ? null : reader.GetString(1)).ShouldBe(set.ClassOf(row));
            for (var d = 0; d < set.Width; d++) Convert.ToSingle(reader.GetValue(2 + d), System.Globalization.CultureInfo.InvariantCulture).ShouldBe(set.Vectors[row][d]);
        }
        reader.Read().ShouldBeFalse();
    }

    [Fact]
    public void Npy_Is_What_NumPy_Writes()
    {
        VectorFile.Write(At(".npy"), new VectorSet(new LabelledVectors([1, -2], 2, [-1]), ["a"], []));

        // numpy.save of numpy.array([[1, -2]], "<f4"): numpy.lib.format pads the header with blanks to a multiple of 64 bytes
        var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }".PadRight(128 - 10 - 1) + "\n";
        File.ReadAllBytes(At(".npy")).ShouldBe([0x93, .. "NUMPY"u8, 1, 0, 118, 0, .. Encoding.ASCII.GetBytes(header), 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]);
    }

    [Fact]
    public void Npy_Of_Doubles_Without_A_Sidecar_Is_Read_With_Numbers_For_Names()
    {
        var values = new byte[16];
        BinaryPrimitives.WriteDoubleLittleEndian(values, 0.5);
        BinaryPrimitives.WriteDoubleLittleEndian(values.AsSpan(8), -4);
        File.WriteAllBytes(At(".npy"), [.. Npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1), }\n"), .. values]);

        var read = VectorFile.Read(At(".npy"));

        read.Vectors.Values.ShouldBe([0.5f, -4]);
        read.Names.ShouldBe(["0", "1"]);
        read.Vectors.Labels.ShouldBe([-1, -1]);
        read.Origin.ShouldBeNull();
    }

    [Theory]
    [InlineData("{'descr': '<i8', 'fortran_order': False, 'shape': (2, 1), }\n", "its values are '<i8': write it as '<f4'")]
    [InlineData("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 1), }\n", "it lies column by column: write it in C order")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", "its header is not a matrix's")]
    public void Says_Why_An_Array_Is_None_Of_Vectors(string header, string why)
    {
        File.WriteAllBytes(At(".npy"), [.. Npy(header), .. new byte[16]]);

        Should.Throw<VectorException>(() => VectorFile.Read(At(".npy"))).Message.ShouldBe($"{At(".npy")} cannot be read as vectors: {why}");
    }

    [Theory]
    [MemberData(nameof(Endings))]
    public void Refuses_A_File_Cut_Short_At_Any_Place_That_Leaves_A_Row_Broken(string ending)
    {
        VectorFile.Write(At(ending), Some());
        var whole = File.ReadAllBytes(At(ending));

        foreach (var length in new[] { 0, 5, whole.Length / 2, whole.Length - 12 })
        {
            File.WriteAllBytes(At(ending), whole[..length]);
            var message = Should.Throw<VectorException>(() => VectorFile.Read(At(ending)), $"{length} bytes").Message;
            message.ShouldStartWith(At(ending));
        }
    }

    [Fact]
    public void Refuses_A_Sidecar_Of_Other_Vectors()
    {
        VectorFile.Write(At(".npy"), Some());
        var other = Path.Join(folder, "other.npy");
        VectorFile.Write(other, Some().Take([0, 1]));
        File.Copy(other, At(".npy"), overwrite: true);

        Should.Throw<VectorException>(() => VectorFile.Read(At(".npy"))).Message.ShouldBe(
            $"{At(".json")} names 4 pictures and 4 labels, and {At(".npy")} holds 2 vectors: one of them is another's.");
    }

    [Fact]
    public void Says_Which_Endings_There_Are()
    {
        Should.Throw<VectorException>(() => VectorFile.Read("x.txt")).Message.ShouldBe("x.txt ends in '.txt', which is no format of vectors: choose .npy, .parquet, .csv.");
        Should.Throw<VectorException>(() => VectorFile.Read(At(".npy"))).Message.ShouldBe($"There is no file {At(".npy")}.");
        Should.Throw<VectorException>(() => VectorFile.Write(Path.Join(folder, "none", "x.csv"), Some())).Message.ShouldStartWith($"{Path.Join(folder, "none", "x.csv")} cannot be written: ");
    }

    [Theory]
    [MemberData(nameof(Endings))]
    public void Deletes_What_It_Wrote_And_Nothing_Else(string ending)
    {
        var mine = Path.Join(folder, "w.json");
        File.WriteAllText(ending == ".parquet" ? At(".json") : mine, "mine"); // nothing of Tessera's stands beside a Parquet file
        var before = Directory.GetFiles(folder);
        VectorFile.Write(At(ending), Some());
        VectorFile.Read(At(ending)).Count.ShouldBe(4);
        VectorFile.Delete(At(ending));
        Directory.GetFiles(folder).ShouldBe(before);
        VectorFile.Delete(At(ending)); // a second time: nothing is there
        Should.Throw<VectorException>(() => VectorFile.Delete("x.txt")).Message.ShouldStartWith("x.txt ends in '.txt'");
    }

    private string At(string ending) => Path.Join(folder, "v" + ending);

    private static byte[] Npy(string header) => [0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0, .. Encoding.ASCII.GetBytes(header)];

    private static VectorSet Some() => new(
        new LabelledVectors([1, 0.1f, float.MinValue, 1e-30f, -0f, 3, 1f / 3, 2, MathF.PI, 5, 6, 7], 3, [1, -1, 0, 1]),
        ["a, b.jpg", "say \"x\".png", "é/ж.webp", "two\nlines"], ["zebra, grey", "cat"], new VectorOrigin("0123", "mean of layer 12", "pictures"));
}
