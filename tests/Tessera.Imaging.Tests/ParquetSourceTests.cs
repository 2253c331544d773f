using System.Text.Json;
using System.Text.Json.Serialization;
using DuckDB.NET.Data;
using Parquet;
using Parquet.Serialization;
using SkiaSharp;
using Tessera.Imaging.Tests.Fixtures;

namespace Tessera.Imaging.Tests;

public class ParquetSourceTests
{
    private static readonly string[] Names = ["cat", "dog", "owl"];

    [Fact]
    public async Task Reads_Pictures_Labels_And_Names_Of_Hugging_Faces_Layout()
    {
        using var folder = new TemporaryFolder();
        await Write(folder["data/train-00000-of-00002.parquet"], Rows(0, 7), groupRows: 3);
        await Write(folder["data/train-00001-of-00002.parquet"], Rows(7, 4), groupRows: 3);
        await Write(folder["data/validation-00000-of-00001.parquet"], Rows(11, 2), groupRows: 3);

        using var images = Pack(folder, "");

        (images.SourceKind, images.TestStart, images.Count).ShouldBe(("Parquet files, read by row groups of up to 3 pictures, test split validation", 11, 13));
        images.ClassNames.ShouldBe(Names);
        images.Labels.ToArray().ShouldBe(Enumerable.Range(0, 13).Select(i => i % 3));
        Shades(images).ShouldBe(Enumerable.Range(0, 13));
        (images.Name(0), images.Name(8), images.Name(12)).ShouldBe(
            ("data/train-00000-of-00002.parquet/000000", "data/train-00001-of-00002.parquet/000001", "data/validation-00000-of-00001.parquet/000001"));
    }

    [Theory]
    [InlineData("snappy")]
    [InlineData("zstd")]
    [InlineData("uncompressed")]
    public void Reads_What_Another_Program_Writes(string compression)
    {
        using var folder = new TemporaryFolder();
        for (var i = 0; i < 40; i++) folder.Write($"pictures/{i:D3}.png", Shade((byte)i));
        using (var connection = new DuckDBConnection("DataSource=:memory:"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = $$"""
                COPY (SELECT {'bytes': content, 'path': parse_filename(filename)} AS image, (row_number() OVER (ORDER BY filename) - 1) % 3 AS label
                      FROM read_blob('{{folder["pictures"]}}/*.png') ORDER BY filename)
                TO '{{folder["set.parquet"]}}' (FORMAT PARQUET, COMPRESSION {{compression}}, KV_METADATA {huggingface: '{{Metadata(Names)}}'})
                """;
            command.ExecuteNonQuery();
        }

        using var images = Pack(folder, "set.parquet");

        Shades(images).ShouldBe(Enumerable.Range(0, 40));
        images.Labels.ToArray().ShouldBe(Enumerable.Range(0, 40).Select(i => i % 3));
        images.ClassNames.ShouldBe(Names);
    }

    [Fact]
    public async Task A_File_A_Pattern_And_A_Folder_Name_The_Same_Pictures()
    {
        using var folder = new TemporaryFolder();
        await Write(folder["a.parquet"], Rows(0, 5), groupRows: 100);

        foreach (var source in new[] { "", "a.parquet", "*.parquet", "{a}.parquet" })
        {
            using var images = Pack(folder, source);
            Shades(images).ShouldBe([0, 1, 2, 3, 4], source);
            images.SourceKind.ShouldBe("Parquet files, read by row groups of up to 5 pictures");
        }
    }

    [Fact]
    public async Task Other_Column_Names_And_Missing_Labels_Are_Understood()
    {
        using var folder = new TemporaryFolder();
        var metadata = """{"info": {"features": {"photo": {"_type": "Image"}, "kind": {"names": ["x", "y"], "_type": "ClassLabel"}}}}""";
        await WriteRows(folder["a.parquet"], [new OtherRow(Shade(1), 1), new OtherRow(Shade(2), null), new OtherRow(Shade(3), -1), new OtherRow(Shade(4), 0)], metadata);
        using var named = Pack(folder, "a.parquet");
        named.ClassNames.ShouldBe(["x", "y"]);
        named.Labels.ToArray().ShouldBe([1, -1, -1, 0]);

        await WriteRows(folder["b.parquet"], [new OtherRow(Shade(1), 1)], metadata: null);
        using var unlabelled = Pack(folder, "b.parquet"); // nothing says that "kind" is a label
        (unlabelled.ClassNames.Count, unlabelled.Labels[0]).ShouldBe((0, -1));

        await WriteRows(folder["c.parquet"], [new Row(Shade(1), 4)], metadata: null);
        using var numbered = Pack(folder, "c.parquet");
        numbered.ClassNames.ShouldBe(["0", "1", "2", "3", "4"]);
    }

    [Fact]
    public async Task Rows_Without_A_Picture_Or_With_A_Broken_One_Are_Named()
    {
        using var folder = new TemporaryFolder();
        await WriteRows(folder["a.parquet"], [new Row(Shade(0), 0), new Row(null, 1), new Row([1, 2, 3], 2), new Row(Shade(3), 0), new Row { Label = 1 }, new Row(Shade(5), 0)], Metadata(Names));

        using var images = Pack(folder, "");
        using var streamed = StreamedImages.Open(folder.Path, PictureFolders.Small, seed: 1, cancellation: TestContext.Current.CancellationToken);
        var report = DataSetInspection.Inspect(ImageSource.Open(folder.Path), cancellation: TestContext.Current.CancellationToken);

        string[] broken = ["a.parquet/000001", "a.parquet/000002", "a.parquet/000004"];
        images.Broken.Select(image => image.Name).ShouldBe(broken);
        images.Broken[0].Reason.ShouldBe("has no bytes in the file");
        streamed.Broken.Select(image => image.Name).ShouldBe(broken);
        report.Broken.Select(image => image.Name).ShouldBe(broken);
        Shades(images).ShouldBe([0, 3, 5]);
    }

    [Fact]
    public async Task Streams_In_Any_Order_And_Refuses_Row_Groups_That_Are_Too_Large_For_It()
    {
        using var folder = new TemporaryFolder();
        await Write(folder["a.parquet"], Rows(0, 200), groupRows: 7);
        using (var streamed = StreamedImages.Open(folder["a.parquet"], PictureFolders.Small, seed: 1, cancellation: TestContext.Current.CancellationToken))
        {
            var shades = new int[200];
            Parallel.For(0, 200, i =>
            {
                var pixels = new byte[PictureFolders.Small.Pixels];
                streamed.Read(i * 77 % 200, pixels);
                shades[i * 77 % 200] = pixels[0];
            });
            shades.ShouldBe(Enumerable.Range(0, 200));
        }

        byte[] large = [.. Shade(9), .. new byte[18_000_000]];
        await WriteRows(folder["b.parquet"], [new Row(large, 0), new Row(large, 0)], Metadata(Names));
        Should.Throw<ImageSourceException>(() => StreamedImages.Open(folder["b.parquet"], PictureFolders.Small, seed: 1, cancellation: TestContext.Current.CancellationToken)).Message.ShouldBe(
            $"{folder["b.parquet"]} has row groups of up to 36 MB, and each is read as a whole for any picture in it: pack the pictures, or write tar shards of them, which are read by position.");
        using var packed = Pack(folder, "b.parquet");
        Shades(packed).ShouldBe([9, 9]);
    }

    [Fact]
    public async Task Says_What_Is_Wrong_With_A_File()
    {
        using var folder = new TemporaryFolder();
        Refusal(folder.Write("text.parquet", "no Parquet file at all")).ShouldStartWith($"{folder["text.parquet"]} is damaged, or no Parquet file (it does not end as a Parquet file does");

        await WriteRows(folder["plain.parquet"], [new Number(3)], metadata: null);
        Refusal(folder["plain.parquet"]).ShouldBe(
            $"{folder["plain.parquet"]} has no column of pictures: a struct with bytes, such as image: struct<bytes, path>, is expected, as Hugging Face's datasets write it.");

        await WriteRows(folder["far.parquet"], [new Row(Shade(1), 0), new Row(Shade(1), 3)], Metadata(Names));
        Refusal(folder["far.parquet"]).ShouldBe($"{folder["far.parquet"]}, row group 0, row 1: its label is 3, and labels are 0 to 2, or -1 for none.");

        await WriteRows(folder["word.parquet"], [new Worded(Shade(1), "cat")], Metadata(Names));
        Refusal(folder["word.parquet"]).ShouldBe($"{folder["word.parquet"]}: the column label does not hold whole numbers: labels are numbers of classes.");

        await WriteRows(folder["set/a.parquet"], [new Row(Shade(1), 0)], Metadata(Names));
        await WriteRows(folder["set/b.parquet"], [new Row(Shade(1), 0)], Metadata(["cat"]));
        Refusal(folder["set"]).ShouldBe($"{folder["set/a.parquet"]} and {folder["set/b.parquet"]} name other classes: they are not of one data set.");

        folder.Write("set/c.tar", ContainerBytes.Tar(ContainerBytes.Member("1.png", Shade(1))));
        Refusal(folder["set"]).ShouldBe($"{folder["set"]} has tar shards, such as {folder["set/c.tar"]}, and Parquet files, such as {folder["set/a.parquet"]}: name those of one kind.");
    }

    [Fact]
    public async Task A_File_That_Was_Damaged_Or_Written_To_After_It_Was_Opened_Ends_The_Work()
    {
        using var folder = new TemporaryFolder();
        await Write(folder["a.parquet"], Rows(0, 6), groupRows: 3);
        File.CreateSymbolicLink(folder["link.parquet"], folder["a.parquet"]);
        File.SetLastWriteTimeUtc(folder["a.parquet"], DateTime.UnixEpoch);
        var source = ImageSource.Open(folder["a.parquet"]);
        using (var file = new FileStream(folder["link.parquet"], FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) file.Write(new byte[200]);
        Should.Throw<ImageAccessException>(() => source.Examine(0)).Message
            .ShouldBe($"{folder["a.parquet"]} has changed since its pictures were listed: begin again, so that they are listed anew.");

        Should.Throw<ImageAccessException>(() => source.Examine(0)).Message.ShouldStartWith($"{folder["a.parquet"]} has changed since"); // opened anew, too

        await Write(folder["c.parquet"], Rows(0, 6), groupRows: 3);
        File.CreateSymbolicLink(folder["other.parquet"], folder["c.parquet"]);
        File.SetLastWriteTimeUtc(folder["c.parquet"], DateTime.UnixEpoch);
        var damaged = ImageSource.Open(folder["c.parquet"]);
        using (var file = new FileStream(folder["other.parquet"], FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) file.Write(new byte[200]);
        File.SetLastWriteTimeUtc(folder["c.parquet"], DateTime.UnixEpoch); // as a disk that fails leaves it
        Should.Throw<ImageAccessException>(() => damaged.Examine(0)).Message.ShouldStartWith($"{folder["c.parquet"]} is damaged in row group 0 (");

        await Write(folder["b.parquet"], Rows(6, 6), groupRows: 3); // sound, and another
        var read = ImageSource.Open(folder["b.parquet"]);
        File.SetLastWriteTimeUtc(folder["b.parquet"], DateTime.UnixEpoch);
        Should.Throw<ImageAccessException>(() => read.Examine(0)).Message.ShouldStartWith($"{folder["b.parquet"]} has changed since");
    }

    private static IEnumerable<Row> Rows(int first, int count) => Enumerable.Range(first, count).Select(i => new Row(Shade((byte)i), i % 3));

    private static Task Write(string file, IEnumerable<Row> rows, int groupRows) => WriteRows(file, rows, Metadata(Names), groupRows);

    private static async Task WriteRows<T>(string file, IEnumerable<T> rows, string? metadata, int groupRows = 1000)
    {
        await using var stream = File.Create(file);
        var options = new ParquetOptions { RowGroupSize = groupRows, CompressionMethod = CompressionMethod.Snappy };
        var own = metadata is null ? null : new Dictionary<string, string> { ["huggingface"] = metadata };
        await ParquetSerializer.SerializeAsync(rows, stream, options, own, TestContext.Current.CancellationToken);
    }

    private static string Metadata(string[] names) => JsonSerializer.Serialize(new
    {
        info = new { features = new Dictionary<string, object> { ["image"] = new { _type = "Image" }, ["label"] = new { names, _type = "ClassLabel" } } },
    });

    private static byte[] Shade(byte shade) => Encoded.Png(4, 4, new SKColor(shade, 0, 7));

    private static int[] Shades(PackedImages images) => [.. Enumerable.Range(0, images.Count).Select(i => (int)images.Pixels(i)[0])];

    private static PackedImages Pack(TemporaryFolder folder, string source) =>
        Packed.Pack(ImageSource.Open(Path.Join(folder.Path, source)), PictureFolders.Small, folder[".out/packed.tessera"]);

    private static string Refusal(string source) => Should.Throw<ImageSourceException>(() => ImageSource.Open(source)).Message;

    public sealed class Picture
    {
        [JsonPropertyName("bytes")]
        public byte[]? Bytes { get; set; }

        [JsonPropertyName("path")]
        public string? Path { get; set; }
    }

    public sealed class Row
    {
        public Row()
        {
        }

        public Row(byte[]? bytes, long? label) => (Image, Label) = (new Picture { Bytes = bytes }, label);

        [JsonPropertyName("image")]
        public Picture? Image { get; set; }

        [JsonPropertyName("label")]
        public long? Label { get; set; }
    }

    public sealed class OtherRow(byte[] bytes, int? kind)
    {
        [JsonPropertyName("photo")]
        public Picture Photo { get; } = new() { Bytes = bytes, Path = "elsewhere/1.png" };

        [JsonPropertyName("kind")]
        public int? Kind { get; } = kind;
    }

    public sealed class Worded(byte[] bytes, string label)
    {
        [JsonPropertyName("image")]
        public Picture Image { get; } = new() { Bytes = bytes };

        [JsonPropertyName("label")]
        public string Label { get; } = label;
    }

    public sealed class Number(int value)
    {
        [JsonPropertyName("value")]
        public int Value { get; } = value;
    }
}
