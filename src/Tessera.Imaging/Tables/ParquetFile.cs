using System.Text.Json;
using Parquet;
using Parquet.Data;
using Parquet.Schema;
using Tessera.Embeddings;

namespace Tessera.Imaging.Tables;

/// <summary>One Parquet file of pictures, as Hugging Face's <c>datasets</c> writes them: what it holds, and one row group's pictures at a time.</summary>
/// <remarks>
/// A column of pictures is a struct with <c>bytes</c> (the encoded picture) and <c>path</c>, which is not read; a label is a whole number. The names of classes, and
/// which columns are pictures and labels, are in the file's metadata, <c>huggingface</c>: <c>{"info": {"features": {"label": {"names": [...], "_type": "ClassLabel"}}}}</c>.
/// </remarks>
internal sealed class ParquetFile : IDisposable
{
    private const string MetadataKey = "huggingface";

    private static readonly string[] PictureColumns = ["image", "img"];
    private static readonly string[] LabelColumns = ["label", "labels", "fine_label"];

    private readonly string path;
    private readonly PictureFiles files;
    private readonly Lock gate = new();
    private Opened? opened;

    /// <param name="path">The file.</param>
    /// <param name="files">Meets the faults of the system.</param>
    /// <exception cref="ImageSourceException">It is no Parquet file, is damaged, or holds no pictures.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public ParquetFile(string path, PictureFiles files)
    {
        (this.path, this.files) = (path, files);
        try
        {
            opened = Open();
            Stamp = FileStamp.Of(opened.Stream.SafeFileHandle);
            ClassNames = NamesOf(opened);
            Groups = [.. Enumerable.Range(0, opened.Reader.RowGroupCount).Select(Describe)];
        }
        catch (Exception error) when (IsDamage(error))
        {
            Close();
            throw new ImageSourceException($"{path} is damaged, or no Parquet file ({error.Message.TrimEnd('.')}): get it anew.", error);
        }
        catch
        {
            Close();
            throw;
        }
    }

    /// <summary>What the file was when it was opened.</summary>
    public FileStamp Stamp { get; }

    /// <summary>By label; empty where the file names none.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    public IReadOnlyList<ParquetGroup> Groups { get; }

    /// <summary>The encoded pictures of a row group; null for a row without one.</summary>
    /// <exception cref="ImageAccessException">The file cannot be read, is damaged there, or is another than it was.</exception>
    public byte[]?[] Read(int group) => files.Patiently(path, () =>
    {
        lock (gate)
        {
            try
            {
                opened ??= Open();
                RequirePages(opened, opened.Pictures, group);
                using var rows = opened.Reader.OpenRowGroupReader(group);
                using var column = ReadColumn(rows, opened.Pictures);
                var pictures = Rows((RawColumnData<ReadOnlyMemory<byte>>)column, opened.Pictures, Groups[group].Labels.Length, picture => picture.ToArray(), null);
                return IsAsListed(opened) ? pictures : throw ImageAccessException.Changed(path);
            }
            catch (Exception error) when (IsDamage(error))
            {
                var changed = opened is { } still && !IsAsListed(still);
                Close();
                if (changed) throw ImageAccessException.Changed(path, error);
                throw new ImageAccessException(path, $"is damaged in row group {group} ({error.Message.TrimEnd('.')}): get it anew", error);
            }
            catch
            {
                Close(); // after a fault of the network only a file that is opened anew is read
                throw;
            }
        }
    });

    public void Dispose()
    {
        lock (gate) Close();
    }

    /// <summary>Whether what was thrown is of the file's bytes, and not of the system: the package throws whatever its code runs into.</summary>
    private static bool IsDamage(Exception error) => error is EndOfStreamException or not (ImagingException or OutOfMemoryException or IOException or UnauthorizedAccessException);

    /// <summary>Asked when pictures were read, so that what was written meanwhile is seen too.</summary>
    private bool IsAsListed(Opened file) => FileStamp.Of(file.Stream.SafeFileHandle) == Stamp;

    private void Close()
    {
        opened?.Dispose();
        opened = null;
    }

    private Opened Open()
    {
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        ParquetReader? reader = null;
        try
        {
            if (Groups is not null && FileStamp.Of(stream.SafeFileHandle) != Stamp) throw ImageAccessException.Changed(path); // it was opened before
            ParquetClaims.RequireFooter(stream);
            reader = ParquetReader.CreateAsync(stream, leaveStreamOpen: true).GetAwaiter().GetResult();
            var features = FeaturesOf(reader);
            var fields = reader.Schema.DataFields;
            var pictures = fields.Where(IsPictures).ToList();
            var picture = Chosen(pictures, PictureColumns, NamesOfType(features, "Image"))
                ?? throw new ImageSourceException($"{path} has no column of pictures: a struct with bytes, such as image: struct<bytes, path>, is expected, as Hugging Face's datasets write it.");
            var label = Chosen(fields.Where(field => Names(field).Length == 1 && field.MaxRepetitionLevel == 0), LabelColumns, NamesOfType(features, "ClassLabel"), orFirst: false);
            return new Opened(stream, reader, picture, label, features);
        }
        catch
        {
            reader?.DisposeAsync().AsTask().GetAwaiter().GetResult();
            stream.Dispose();
            throw;
        }
    }

    private ParquetGroup Describe(int group)
    {
        using var rows = opened!.Reader.OpenRowGroupReader(group);
        if (rows.RowCount < 0 || rows.RowCount > Stamp.Length) throw new InvalidDataException($"row group {group} claims {rows.RowCount} rows");
        var bytes = rows.GetMetadata(opened.Pictures)?.MetaData?.TotalUncompressedSize ?? throw new InvalidDataException($"row group {group} has no pictures");
        var labels = new int[rows.RowCount];
        if (opened.Labels is not { } column)
        {
            Array.Fill(labels, -1);
            return new ParquetGroup(labels, bytes);
        }
        RequirePages(opened, column, group);
        using var read = ReadColumn(rows, column);
        long?[] values = read switch
        {
            RawColumnData<long> numbers => Rows<long, long?>(numbers, column, labels.Length, number => number, null),
            RawColumnData<int> numbers => Rows<int, long?>(numbers, column, labels.Length, number => number, null),
            RawColumnData<short> numbers => Rows<short, long?>(numbers, column, labels.Length, number => number, null),
            RawColumnData<sbyte> numbers => Rows<sbyte, long?>(numbers, column, labels.Length, number => number, null),
            RawColumnData<byte> numbers => Rows<byte, long?>(numbers, column, labels.Length, number => number, null),
            _ => throw new ImageSourceException($"{path}: the column {column.Path} does not hold whole numbers: labels are numbers of classes."),
        };
        var classes = ClassNames.Count > 0 ? ClassNames.Count : Shards.TarScan.MostClasses;
        for (var row = 0; row < labels.Length; row++)
        {
            var label = values[row] ?? -1;
            labels[row] = label >= -1 && label < classes ? (int)label
                : throw new ImageSourceException($"{path}, row group {group}, row {row}: its {column.Path} is {label}, and labels are 0 to {classes - 1}, or -1 for none.");
        }
        return new ParquetGroup(labels, bytes);
    }

    private static RawColumnData ReadColumn(ParquetRowGroupReader rows, DataField column) => rows.ReadRawColumnDataBaseAsync(column).AsTask().GetAwaiter().GetResult();

    /// <summary>Each row's value: a column holds those that are there, and a level for each row that tells whether it has one.</summary>
    /// <remarks>The package's own method for this moves values up into the places of those that are missing.</remarks>
    private static TResult[] Rows<T, TResult>(RawColumnData<T> column, DataField field, int count, Func<T, TResult> value, TResult none) where T : struct
    {
        var levels = column.DefinitionLevels;
        var values = column.Values;
        var rows = new TResult[count];
        var next = 0;
        if (!levels.IsEmpty && levels.Length < count) throw new InvalidDataException($"{field.Path} has {levels.Length} of {count} values");
        for (var row = 0; row < count; row++)
        {
            if (!levels.IsEmpty && levels[row] < field.MaxDefinitionLevel) rows[row] = none;
            else rows[row] = next < values.Length ? value(values[next++]) : throw new InvalidDataException($"{field.Path} has {values.Length} of {count} values");
        }
        return rows;
    }

    private void RequirePages(Opened file, DataField column, int group)
    {
        using var rows = file.Reader.OpenRowGroupReader(group);
        var chunk = rows.GetMetadata(column)?.MetaData ?? throw new InvalidDataException($"row group {group} lacks the column {column.Path}");
        if (chunk.NumValues < 0 || chunk.NumValues > Stamp.Length) throw new InvalidDataException($"a column claims {chunk.NumValues} values");
        ParquetClaims.RequirePages(file.Stream, chunk);
    }

    private static bool IsPictures(DataField field) => field.ClrType == typeof(ReadOnlyMemory<byte>) && field.MaxRepetitionLevel == 0
        && Names(field) is [_, "bytes"] or [_];

    private static string[] Names(DataField field) => [.. field.Path.ToList()];

    /// <summary>The column of a usual name; else the first that the metadata say is of the kind; else the first.</summary>
    private static DataField? Chosen(IEnumerable<DataField> fields, string[] usual, IReadOnlyList<string> said, bool orFirst = true)
    {
        var all = fields.ToList();
        return usual.Concat(said).Select(name => all.Find(field => Names(field)[0] == name)).FirstOrDefault(field => field is not null)
            ?? (orFirst ? all.FirstOrDefault() : null);
    }

    private static JsonElement? FeaturesOf(ParquetReader reader)
    {
        if (!reader.CustomMetadata.TryGetValue(MetadataKey, out var text)) return null;
        using var json = JsonDocument.Parse(text);
        return Member(Member(json.RootElement, "info"), "features")?.Clone();
    }

    private static List<string> NamesOfType(JsonElement? features, string type) => features is { ValueKind: JsonValueKind.Object } all
        ? [.. all.EnumerateObject().Where(feature => Member(feature.Value, "_type") is { ValueKind: JsonValueKind.String } is_ && is_.GetString() == type).Select(feature => feature.Name)]
        : [];

    private static string[] NamesOf(Opened file)
    {
        if (file.Labels is not { } column || Member(Member(file.Features, Names(column)[0]), "names") is not { ValueKind: JsonValueKind.Array } names) return [];
        string[] found = [.. names.EnumerateArray().Select(name => name.ValueKind == JsonValueKind.String ? name.GetString()! : throw new InvalidDataException("a class's name is no string"))];
        return found.Distinct().Count() == found.Length ? found : throw new InvalidDataException("a class is named twice");
    }

    private static JsonElement? Member(JsonElement? json, string name) => json is { ValueKind: JsonValueKind.Object } found && found.TryGetProperty(name, out var value) ? value : null;

    private sealed record Opened(FileStream Stream, ParquetReader Reader, DataField Pictures, DataField? Labels, JsonElement? Features) : IDisposable
    {
        public void Dispose()
        {
            Reader.DisposeAsync().AsTask().GetAwaiter().GetResult();
            Stream.Dispose();
        }
    }
}

/// <summary>A row group of a file.</summary>
/// <param name="Labels">By row; -1 for none.</param>
/// <param name="Bytes">What its pictures take when they are read.</param>
internal sealed record ParquetGroup(int[] Labels, long Bytes);
