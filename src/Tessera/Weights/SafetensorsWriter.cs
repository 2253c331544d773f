using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using Tessera.Imaging;

namespace Tessera.Weights;

/// <summary>Writes safetensors files so that a reader never sees half of one.</summary>
public static class SafetensorsWriter
{
    private const int Alignment = 8;

    /// <summary>
    /// Writes the tensors to a file beside <paramref name="file"/> (its name with <c>.partial</c> appended), makes the disk keep it,
    /// and renames it over. Until that instant the old file stands; a failure removes the partial one, and one left behind by a
    /// killed process is overwritten by the next write.
    /// </summary>
    /// <remarks>
    /// The same input gives the same bytes: metadata is sorted by key, the header is padded with spaces to 8 bytes, and the tensors
    /// follow without gaps in the given order, except that larger elements come before smaller ones, as in the published
    /// implementation: it keeps every tensor aligned to its element, which PyTorch's loader asks for.
    /// </remarks>
    /// <param name="file">Where the file shall be; its folder exists.</param>
    /// <param name="tensors">The tensors; their bytes are asked for one at a time, in the order in which they are written.</param>
    /// <param name="metadata">Free text by key, stored under <c>__metadata__</c>.</param>
    /// <exception cref="ArgumentException">Two tensors share a name, or a name, a shape or a metadata text cannot be stored.</exception>
    /// <exception cref="SafetensorsException">The file cannot be written, or a tensor gives another number of bytes.</exception>
    public static void Write(string file, IReadOnlyList<SafetensorsTensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var (write, size) = Content(file, tensors, metadata);
        try
        {
            // The whole length is claimed from the disk at once, so that a full one is met before any work is done.
            WholeFile.Write(file, write, size);
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or (IOException and not SafetensorsException))
        {
            throw new SafetensorsException($"{file} cannot be written: {exception.Message.TrimEnd('.')}.", exception);
        }
    }

    /// <summary>What writes such a file's bytes, and how many they are.</summary>
    /// <inheritdoc cref="Write"/>
    internal static (Action<FileStream> Write, long Size) Content(string file, IReadOnlyList<SafetensorsTensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        ArgumentNullException.ThrowIfNull(tensors);
        var placed = Place(tensors);
        var header = Header(placed, metadata);
        return (stream =>
        {
            stream.Write(header.Span);
            foreach (var tensor in placed) WriteContent(file, stream, tensor);
        }, header.Length + placed.Sum(tensor => tensor.Bytes));
    }

    private static List<PlacedTensor> Place(IReadOnlyList<SafetensorsTensor> tensors)
    {
        var names = new HashSet<string>();
        var placed = new List<PlacedTensor>(tensors.Count);
        long offset = 0;
        foreach (var tensor in tensors.OrderByDescending(tensor => tensor.Type.ElementBytes())) // stable
        {
            var (name, shape) = (Quoted.Of(tensor.Name), tensor.Shape);
            if (tensor.Name == SafetensorsHeader.MetadataKey)
                throw new ArgumentException($"No tensor may be named {name}.", nameof(tensors));
            if (!names.Add(tensor.Name)) throw new ArgumentException($"Two tensors are named {name}.", nameof(tensors));
            if (shape.Length > SafetensorsHeader.MostDimensions
                || SafetensorsTypes.ContentBytes(tensor.Type, shape) is not { } bytes
                || bytes > long.MaxValue / 2 - offset)
            {
                throw new ArgumentException($"Tensor {name} has a shape that cannot be stored: {Quoted.Shape(shape)}.", nameof(tensors));
            }
            placed.Add(new PlacedTensor(tensor, offset, bytes));
            offset += bytes;
        }
        return placed;
    }

    /// <summary>The 8 bytes of length and the JSON, padded.</summary>
    private static ReadOnlyMemory<byte> Header(List<PlacedTensor> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        var buffer = new ArrayBufferWriter<byte>();
        buffer.GetSpan(SafetensorsHeader.PrefixBytes)[..SafetensorsHeader.PrefixBytes].Clear();
        buffer.Advance(SafetensorsHeader.PrefixBytes);
        // The relaxed encoder writes text as it is, like the published implementation; nothing here reaches a web page.
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata is { Count: > 0 }) WriteMetadata(json, metadata);
            foreach (var tensor in tensors) Describe(json, tensor);
            json.WriteEndObject();
        }
        var padding = (Alignment - buffer.WrittenCount % Alignment) % Alignment;
        buffer.GetSpan(Alignment)[..padding].Fill((byte)' ');
        buffer.Advance(padding);

        var length = buffer.WrittenCount - SafetensorsHeader.PrefixBytes;
        if (length > SafetensorsHeader.LargestHeader)
        {
            var what = $"The header takes {length} bytes, above the format's limit of {SafetensorsHeader.LargestHeader}.";
            throw new ArgumentException(what, nameof(tensors));
        }
        var header = buffer.WrittenSpan.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(header, length);
        return header;
    }

    private static void WriteMetadata(Utf8JsonWriter json, IReadOnlyDictionary<string, string> metadata)
    {
        json.WriteStartObject(SafetensorsHeader.MetadataKey);
        foreach (var (key, text) in metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            json.WriteString(Text(key), Text(text));
        json.WriteEndObject();
    }

    private static void Describe(Utf8JsonWriter json, PlacedTensor placed)
    {
        json.WriteStartObject(Text(placed.Tensor.Name));
        json.WriteString("dtype", placed.Tensor.Type.NameInFiles());
        json.WriteStartArray("shape");
        foreach (var side in placed.Tensor.Shape) json.WriteNumberValue(side);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(placed.Offset);
        json.WriteNumberValue(placed.Offset + placed.Bytes);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Refuses half a surrogate pair, which the JSON writer would quietly replace.</summary>
    private static string Text(string text)
    {
        for (var index = 0; index < text.Length; index++)
        {
            if (!char.IsSurrogate(text[index])) continue;
            if (!char.IsSurrogatePair(text, index)) throw new ArgumentException($"{Quoted.Of(text)} is not valid Unicode.", nameof(text));
            index++;
        }
        return text;
    }

    private static void WriteContent(string file, FileStream stream, PlacedTensor placed)
    {
        using var bounded = new BoundedStream(stream, placed.Bytes);
        placed.Tensor.WriteContent(bounded);
        if (bounded.Asked == placed.Bytes) return;
        var tensor = $"tensor {Quoted.Of(placed.Tensor.Name)} of shape {Quoted.Shape(placed.Tensor.Shape)}";
        throw new SafetensorsException($"{file} cannot be written: {tensor} takes {placed.Bytes} bytes, but {bounded.Asked} were given.");
    }

    private sealed record PlacedTensor(SafetensorsTensor Tensor, long Offset, long Bytes);
}

/// <summary>Passes a tensor's bytes on to the file, counts them, and lets none through beyond the tensor's own.</summary>
internal sealed class BoundedStream(Stream inner, long limit) : Stream
{
    /// <summary>Bytes that were handed in, those beyond the limit included.</summary>
    public long Asked { get; private set; }

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => Asked;
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Asked += buffer.Length;
        if (Asked <= limit) inner.Write(buffer);
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void WriteByte(byte value) => Write([value]);

    public override void Flush() { } // the writer flushes once, at the end

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
