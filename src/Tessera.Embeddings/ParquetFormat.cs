using System.Text.Json;
using System.Text.Json.Serialization;
using Parquet;
using Parquet.Meta;
using Parquet.Serialization;

namespace Tessera.Embeddings;

/// <summary>Apache Parquet: the columns <c>name</c>, <c>class</c> and <c>vector</c>, a list of floats; what made them is in the file's metadata.</summary>
internal sealed class ParquetFormat : VectorFormat
{
    private const string Key = "tessera.vectors";
    private const int GroupRows = 8192; // a group is in memory as a whole

    public override bool HasSidecar => false;

    public override VectorSidecar? Sidecar(VectorSet set) => null;

    public override void Write(Stream stream, VectorSet set)
    {
        var metadata = new Dictionary<string, string>
        {
            [Key] = JsonSerializer.Serialize(new VectorSidecar { Origin = set.Origin, Classes = set.Classes }, VectorSidecar.Json),
        };
        var options = new ParquetOptions
        {
            RowGroupSize = GroupRows,
            CompressionMethod = CompressionMethod.Zstd,
            CompressionLevel = System.IO.Compression.CompressionLevel.Fastest, // floats hardly shrink, however long one tries
        };
        ParquetSerializer.SerializeAsync(Rows(set), stream, options, metadata).GetAwaiter().GetResult();
    }

    public override VectorSet Read(Stream stream, string file, VectorSidecar? sidecar)
    {
        var (values, names, words) = (new List<float>(), new List<string>(), new List<string?>());
        var (groups, known) = Open(stream);
        var width = -1; // until the first row tells
        for (var group = 0; group < groups; group++)
        {
            foreach (var row in ParquetSerializer.DeserializeAsync<Row>(stream, rowGroupIndex: group).GetAwaiter().GetResult().Data)
            {
                if (row.Vector is not { Count: > 0 } vector) throw new InvalidDataException($"row {names.Count} has no vector");
                if (width < 0) width = vector.Count;
                if (vector.Count != width) throw new InvalidDataException($"row {names.Count} has {vector.Count} values, and those before it {width}");
                values.AddRange(vector);
                words.Add(row.Class);
                names.Add(row.Name ?? names.Count.ToString(System.Globalization.CultureInfo.InvariantCulture));
            }
        }
        if (width < 0) throw new InvalidDataException("it has no rows");
        var (labels, classes) = Number(words, known);
        return new VectorSet(new LabelledVectors([.. values], width, labels), names, classes, known?.Origin);
    }

    private static (int Groups, VectorSidecar? Known) Open(Stream stream)
    {
        ParquetClaims.RequireFooter(stream);
        var reader = ParquetReader.CreateAsync(stream, leaveStreamOpen: true).GetAwaiter().GetResult();
        try
        {
            foreach (var column in reader.Metadata!.RowGroups.SelectMany(group => group.Columns).Select(column => column.MetaData).OfType<ColumnMetaData>())
                ParquetClaims.RequirePages(stream, column);
            var known = reader.CustomMetadata.TryGetValue(Key, out var text) ? JsonSerializer.Deserialize<VectorSidecar>(text, VectorSidecar.Json) : null;
            return (reader.RowGroupCount, known);
        }
        finally
        {
            reader.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private static IEnumerable<Row> Rows(VectorSet set)
    {
        for (var row = 0; row < set.Count; row++)
            yield return new Row { Name = set.Names[row], Class = set.ClassOf(row), Vector = [.. set.Vectors[row]] };
    }

    private sealed class Row
    {
        [JsonPropertyName("name")]
        public string? Name { get; set; }

        [JsonPropertyName("class")]
        public string? Class { get; set; }

        [JsonPropertyName("vector")]
        public List<float>? Vector { get; set; }
    }
}
