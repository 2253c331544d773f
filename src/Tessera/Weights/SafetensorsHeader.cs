using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Tessera.Weights;

/// <summary>Reads and checks the JSON header of a safetensors file.</summary>
/// <remarks>
/// Format: https://huggingface.co/docs/safetensors. As the published implementation does, the tensors must cover the bytes after the
/// header from first to last without gap or overlap. Stricter than it: an unknown field of a tensor is refused, since it could change
/// what the bytes mean.
/// </remarks>
internal sealed class SafetensorsHeader
{
    /// <summary>The published implementation's limit.</summary>
    public const int LargestHeader = 100_000_000;

    /// <summary>Bytes before the header: its length as a little-endian 64-bit integer.</summary>
    public const int PrefixBytes = 8;

    public const string MetadataKey = "__metadata__";

    /// <summary>No tensor library goes further; it keeps a header from asking for more memory than its own bytes.</summary>
    public const int MostDimensions = 64;

    private const int DeepestNesting = 3; // the header, a tensor, its shape

    private readonly string file;
    private readonly Dictionary<string, string> metadata = [];
    private readonly Dictionary<string, SafetensorsEntry> tensors = [];
    private bool metadataSeen;

    private SafetensorsHeader(string file) => this.file = file;

    /// <summary>The free text of <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata => metadata;

    /// <summary>The tensors in the order of their bytes.</summary>
    public OrderedDictionary<string, SafetensorsEntry> Entries { get; } = [];

    /// <param name="file">Named in errors.</param>
    /// <param name="json">The header's bytes.</param>
    /// <param name="contentLength">How many bytes follow the header.</param>
    /// <exception cref="SafetensorsException">The header is not what the format asks for, or lies about the bytes that follow.</exception>
    public static SafetensorsHeader Parse(string file, ReadOnlySpan<byte> json, long contentLength)
    {
        var header = new SafetensorsHeader(file);
        if (!Utf8.IsValid(json)) throw header.Wrong("its header is not UTF-8");
        if (json.IsEmpty || json[0] != '{') throw header.Wrong("its header does not begin with '{'");
        try
        {
            header.ReadObject(json);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: an escaped half of a surrogate pair, which is no text.
            throw header.Wrong($"its header is not valid JSON ({Line(exception)})", exception);
        }
        header.Place(PrefixBytes + json.Length, contentLength);
        return header;
    }

    private void ReadObject(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = DeepestNesting });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var name = reader.GetString()!;
            reader.Read();
            if (name == MetadataKey) ReadMetadata(ref reader);
            else ReadTensor(name, ref reader);
        }
        while (reader.Read()) { } // what follows the object must be blank, else the reader throws
    }

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        if (metadataSeen) throw Wrong($"its header has {MetadataKey} twice");
        metadataSeen = true;
        if (reader.TokenType != JsonTokenType.StartObject) throw Wrong($"its {MetadataKey} is not an object");
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var key = reader.GetString()!;
            reader.Read();
            if (reader.TokenType != JsonTokenType.String) throw Wrong($"its {MetadataKey} {Quoted.Of(key)} is not a string");
            if (!metadata.TryAdd(key, reader.GetString()!)) throw Wrong($"its {MetadataKey} has {Quoted.Of(key)} twice");
        }
    }

    private void ReadTensor(string name, ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject) throw Wrong(name, "its description is not an object");
        string? type = null;
        long[]? shape = null, offsets = null;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            var field = reader.GetString()!;
            reader.Read();
            switch (field)
            {
                case "dtype" when type is null: type = ReadText(name, field, ref reader); break;
                case "shape" when shape is null: shape = ReadNumbers(name, field, MostDimensions, ref reader); break;
                case "data_offsets" when offsets is null: offsets = ReadNumbers(name, field, 2, ref reader); break;
                case "dtype" or "shape" or "data_offsets": throw Wrong(name, $"its {field} is given twice");
                default: throw Wrong(name, $"its field {Quoted.Of(field)} is unknown, and may change what the bytes mean");
            }
        }
        if (type is null) throw Wrong(name, "it has no dtype");
        if (shape is null) throw Wrong(name, "it has no shape");
        if (offsets is null) throw Wrong(name, "it has no data_offsets");
        AddTensor(name, type, shape, offsets);
    }

    private void AddTensor(string name, string typeName, long[] shape, long[] offsets)
    {
        if (!SafetensorsTypes.TryParse(typeName, out var type, out var problem)) throw Wrong(name, problem);
        if (offsets.Length != 2) throw Wrong(name, $"its data_offsets hold {offsets.Length} numbers instead of 2");
        var (begin, end) = (offsets[0], offsets[1]);
        if (begin > end) throw Wrong(name, $"its data_offsets [{begin}, {end}] run backwards");
        if (SafetensorsTypes.ContentBytes(type, shape) is not { } bytes)
            throw Wrong(name, $"its shape {Quoted.Shape(shape)} has more bytes than can be counted");
        if (bytes != end - begin)
        {
            var claim = $"its shape {Quoted.Shape(shape)} of {typeName} takes {bytes} bytes";
            throw Wrong(name, $"{claim}, but its data_offsets [{begin}, {end}] span {end - begin}");
        }
        if (!tensors.TryAdd(name, new SafetensorsEntry(name, type, shape, begin, bytes))) throw Wrong(name, "it is described twice");
    }

    /// <summary>Checks that the tensors cover the content exactly, and counts their offsets from the start of the file.</summary>
    private void Place(long contentOffset, long contentLength)
    {
        long covered = 0;
        foreach (var tensor in tensors.Values.OrderBy(tensor => tensor.Offset).ThenBy(tensor => tensor.Length))
        {
            var (begin, end) = (tensor.Offset, tensor.Offset + tensor.Length);
            if (end > contentLength)
                throw Wrong(tensor.Name, $"its bytes end at {end}, but only {contentLength} follow the header: the file may be cut short");
            if (begin < covered)
                throw Wrong(tensor.Name, $"its bytes begin at {begin}, inside the tensor before it, which ends at {covered}");
            if (begin > covered)
                throw Wrong(tensor.Name, $"its bytes begin at {begin}, but the tensor before it ends at {covered}: no tensor owns the gap");
            covered = end;
            Entries.Add(tensor.Name, tensor with { Offset = contentOffset + tensor.Offset });
        }
        if (covered != contentLength) throw Wrong($"{contentLength - covered} bytes at its end belong to no tensor");
    }

    private string ReadText(string name, string field, ref Utf8JsonReader reader) =>
        reader.TokenType == JsonTokenType.String ? reader.GetString()! : throw Wrong(name, $"its {field} is not a string");

    private long[] ReadNumbers(string name, string field, int most, ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray) throw Wrong(name, $"its {field} is not a list");
        var numbers = new List<long>();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || reader.ValueSpan[0] == '-' || !reader.TryGetInt64(out var number))
                throw Wrong(name, $"its {field} holds something other than whole numbers from 0 to 2^63 - 1");
            if (numbers.Count == most) throw Wrong(name, $"its {field} holds more than {most} numbers");
            numbers.Add(number);
        }
        return [.. numbers];
    }

    private SafetensorsException Wrong(string what, Exception? cause = null) =>
        new($"{file} cannot be read as safetensors: {what}.", cause);

    private SafetensorsException Wrong(string tensor, string what) => Wrong($"tensor {Quoted.Of(tensor)}: {what}");

    private static string Line(Exception exception) => exception.Message.TrimEnd('.').ReplaceLineEndings(" ");
}

/// <summary>Text out of a file, made fit to stand in an error message: in quotes, on one line, of bounded length.</summary>
internal static class Quoted
{
    private const int LongestShown = 100;

    public static string Of(string text)
    {
        var shown = new StringBuilder("'");
        foreach (var rune in text.EnumerateRunes())
        {
            if (shown.Length > LongestShown) return shown.Append("…'").ToString();
            if (Rune.IsControl(rune)) shown.Append($"\\u{rune.Value:x4}");
            else shown.Append(rune.ToString());
        }
        return shown.Append('\'').ToString();
    }

    public static string Shape(IEnumerable<long> shape) => $"[{string.Join(", ", shape)}]";
}
