using System.Text.Json;
using Tessera.Imaging;

namespace Tessera.Embeddings;

/// <summary>Files of vectors; the ending says which: <c>.npy</c>, <c>.parquet</c> or <c>.csv</c>. See <c>docs/formats.md</c>.</summary>
public static class VectorFile
{
    /// <summary>The endings that files of vectors have.</summary>
    public static IReadOnlyList<string> Endings { get; } = [".npy", ".parquet", ".csv"];

    /// <summary>Writes vectors; the file is replaced only when the new one is whole.</summary>
    /// <param name="file">Where; its folder exists. Beside <c>x.npy</c> and <c>x.csv</c> stands <c>x.json</c> with what they cannot hold.</param>
    /// <param name="set">The vectors.</param>
    /// <exception cref="VectorException">The ending is none of <see cref="Endings"/>, or the file cannot be written.</exception>
    public static void Write(string file, VectorSet set)
    {
        ArgumentNullException.ThrowIfNull(set);
        var format = VectorFormat.Of(file);
        try
        {
            if (format.Sidecar(set) is { } sidecar)
                WholeFile.WriteTogether((file, stream => format.Write(stream, set)), (SidecarOf(file), stream => JsonSerializer.Serialize(stream, sidecar, VectorSidecar.Json)));
            else WholeFile.Naming(file, () => WholeFile.Write(file, stream => format.Write(stream, set)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VectorException(e.Message, e);
        }
    }

    /// <summary>Reads vectors.</summary>
    /// <param name="file">A file that <see cref="Write"/> made, or another program's: a matrix of floats, or a table with the same columns.</param>
    /// <exception cref="VectorException">There is no such file, it holds no vectors, or it is cut short; the message says which.</exception>
    public static VectorSet Read(string file)
    {
        var format = VectorFormat.Of(file);
        if (!File.Exists(file)) throw new VectorException($"There is no file {file}.");
        try
        {
            using var stream = File.OpenRead(file);
            return format.Read(stream, file, format.HasSidecar ? ReadSidecar(SidecarOf(file)) : null);
        }
        catch (Exception e) when (e is not (VectorException or OutOfMemoryException))
        {
            throw new VectorException($"{file} cannot be read as vectors: {e.Message}", e); // whatever a reader of another's trips over
        }
    }

    /// <summary>Deletes a file of vectors, and what <see cref="Write"/> laid beside it. Where there is none, nothing happens.</summary>
    /// <param name="file">The file.</param>
    /// <exception cref="VectorException">The ending is none of <see cref="Endings"/>, or it cannot be deleted.</exception>
    public static void Delete(string file)
    {
        var format = VectorFormat.Of(file);
        try
        {
            if (!File.Exists(file)) return;
            File.Delete(file); // first: what is left beside it by a crash the next file replaces
            if (format.HasSidecar) File.Delete(SidecarOf(file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new VectorException($"{file} cannot be deleted: {e.Message}", e);
        }
    }

    private static string SidecarOf(string file) => Path.ChangeExtension(file, ".json");

    private static VectorSidecar? ReadSidecar(string file)
    {
        if (!File.Exists(file)) return null;
        try
        {
            using var stream = File.OpenRead(file);
            return JsonSerializer.Deserialize<VectorSidecar>(stream, VectorSidecar.Json) is { Version: VectorSidecar.CurrentVersion } read ? read
                : throw new VectorException($"{file} is of another version than {VectorSidecar.CurrentVersion}: use the Tessera that wrote it, or a newer one.");
        }
        catch (JsonException e)
        {
            throw new VectorException($"{file} is not what Tessera writes beside vectors: {e.Message}", e);
        }
    }
}

/// <summary>What a file of vectors cannot hold itself.</summary>
internal sealed record VectorSidecar
{
    public const int CurrentVersion = 1;

    public static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public int Version { get; init; } = CurrentVersion;

    public VectorOrigin? Origin { get; init; }

    public IReadOnlyList<string> Classes { get; init; } = [];

    public IReadOnlyList<string>? Names { get; init; }

    public int[]? Labels { get; init; }
}

/// <summary>One way to write vectors.</summary>
internal abstract class VectorFormat
{
    public static VectorFormat Of(string file) => Path.GetExtension(file).ToLowerInvariant() switch
    {
        ".npy" => new NpyFormat(),
        ".parquet" => new ParquetFormat(),
        ".csv" => new CsvFormat(),
        var ending => throw new VectorException($"{file} ends in '{ending}', which is no format of vectors: choose {string.Join(", ", VectorFile.Endings)}."),
    };

    /// <summary>Whether something stands beside the file.</summary>
    public virtual bool HasSidecar => true;

    /// <summary>What stands beside the file; null: nothing.</summary>
    public abstract VectorSidecar? Sidecar(VectorSet set);

    public abstract void Write(Stream stream, VectorSet set);

    /// <summary>Any exception means a file that is not of the format.</summary>
    public abstract VectorSet Read(Stream stream, string file, VectorSidecar? sidecar);

    /// <summary>Numbers for classes that a table names; those that a sidecar knows keep theirs.</summary>
    protected static (int[] Labels, List<string> Classes) Number(IReadOnlyList<string?> words, VectorSidecar? sidecar)
    {
        List<string> classes = [.. sidecar?.Classes ?? []];
        var numbers = classes.Select((name, number) => (name, number)).ToDictionary(c => c.name, c => c.number, StringComparer.Ordinal);
        var labels = new int[words.Count];
        for (var row = 0; row < labels.Length; row++)
        {
            labels[row] = -1;
            if (string.IsNullOrEmpty(words[row])) continue;
            if (numbers.TryAdd(words[row]!, classes.Count)) classes.Add(words[row]!);
            labels[row] = numbers[words[row]!];
        }
        return (labels, classes);
    }
}
