using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Tessera.Imaging;

namespace Tessera.Weights.PyTorch;

/// <summary>Writes a state dict as PyTorch's <c>torch.save</c> does, so that <c>torch.load(file, weights_only=True)</c> reads it.</summary>
public static class PyTorchWriter
{
    private const string Folder = "archive/";
    private const int Alignment = 64; // of a storage within the file, as PyTorch has it

    /// <summary>Writes tensors beside <paramref name="file"/> and renames the result over it, as <see cref="SafetensorsWriter"/> does. The same input gives the same bytes.</summary>
    /// <param name="file">Where the file shall be; its folder exists.</param>
    /// <param name="tensors">The tensors, of types that PyTorch has storages for; their bytes are asked for one at a time.</param>
    /// <param name="under">The key of a dictionary that the state dict shall lie under, such as <c>model</c>; null: it is the file's object itself.</param>
    /// <exception cref="ArgumentException">Two tensors share a name, or PyTorch has no storage of a type.</exception>
    /// <exception cref="PyTorchFileException">The file cannot be written, or a tensor gives another number of bytes.</exception>
    public static void Write(string file, IReadOnlyList<SafetensorsTensor> tensors, string? under = null) => Write(file, tensors, under, description: null);

    internal static void Write(string file, IReadOnlyList<SafetensorsTensor> tensors, string? under, string? description)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        ArgumentNullException.ThrowIfNull(tensors);
        if (tensors.GroupBy(t => t.Name).FirstOrDefault(g => g.Count() > 1) is { } twice) throw new ArgumentException($"Two tensors are named {Quoted.Of(twice.Key)}.", nameof(tensors));
        var pickle = StateDictPickle.Of(tensors, under);
        try
        {
            WholeFile.Write(file, stream =>
            {
                var zip = new StoredZip(stream);
                zip.Add(Folder + "data.pkl", pickle);
                zip.Add(Folder + "byteorder", "little"u8);
                for (var i = 0; i < tensors.Count; i++) AddStorage(zip, file, i, tensors[i]);
                zip.Add(Folder + "version", "3\n"u8);
                if (description is not null) zip.Add(Folder + PyTorchContainer.DescriptionRecord, Encoding.UTF8.GetBytes(description));
                zip.End();
            });
        }
        catch (Exception e) when (e is UnauthorizedAccessException or (IOException and not PyTorchFileException))
        {
            throw new PyTorchFileException($"{file} cannot be written: {e.Message.TrimEnd('.')}.", e);
        }
    }

    private static void AddStorage(StoredZip zip, string file, int index, SafetensorsTensor tensor)
    {
        var length = SafetensorsTypes.ContentBytes(tensor.Type, tensor.Shape)
            ?? throw new ArgumentException($"Tensor {Quoted.Of(tensor.Name)} has a shape that cannot be stored: {Quoted.Shape(tensor.Shape)}.", nameof(tensor));
        using var content = new MemoryStream(checked((int)length));
        tensor.WriteContent(content);
        if (content.Length != length)
            throw new PyTorchFileException($"{file} cannot be written: tensor {Quoted.Of(tensor.Name)} of shape {Quoted.Shape(tensor.Shape)} takes {length} bytes, but {content.Length} were given.");
        zip.Add($"{Folder}data/{index}", content.GetBuffer().AsSpan(0, (int)length));
    }

    /// <summary>A zip archive whose records are stored as they are.</summary>
    private sealed class StoredZip(Stream stream)
    {
        private const ushort Version = 45, Padding = 0x4246; // zip64; "FB", the extra field that PyTorch pads with
        private const ushort Zip64 = 1;
        private const ushort FirstDay = (1 << 5) | 1;        // 1 January 1980: the same input gives the same bytes
        private readonly List<(byte[] Name, uint Sum, long Length, long Offset)> records = [];
        private long position;

        public void Add(string name, ReadOnlySpan<byte> content)
        {
            var (text, offset) = (Encoding.UTF8.GetBytes(name), position);
            records.Add((text, Crc32.HashToUInt32(content), content.Length, offset));
            var header = new byte[30];
            BinaryPrimitives.WriteUInt32LittleEndian(header, 0x04034b50);
            BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(4), Version);
            BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(12), FirstDay);
            BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(14), records[^1].Sum);
            BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(18), (uint)content.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(22), (uint)content.Length);
            BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(26), (ushort)text.Length);
            var padding = (int)(Alignment - (offset + header.Length + text.Length + 4) % Alignment) % Alignment;
            BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(28), (ushort)(4 + padding));
            var extra = new byte[4 + padding];
            extra.AsSpan(4).Fill((byte)'Z');
            BinaryPrimitives.WriteUInt16LittleEndian(extra, Padding);
            BinaryPrimitives.WriteUInt16LittleEndian(extra.AsSpan(2), (ushort)padding);
            Put(header);
            Put(text);
            Put(extra);
            Put(content);
        }

        public void End()
        {
            var start = position;
            foreach (var (name, sum, length, offset) in records)
            {
                var entry = new byte[46];
                BinaryPrimitives.WriteUInt32LittleEndian(entry, 0x02014b50);
                BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(4), Version);
                BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(6), Version);
                BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(14), FirstDay);
                BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(16), sum);
                BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(20), (uint)length);
                BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(24), (uint)length);
                BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(28), (ushort)name.Length);
                var extra = offset < uint.MaxValue ? [] : new byte[12];
                BinaryPrimitives.WriteUInt16LittleEndian(entry.AsSpan(30), (ushort)extra.Length);
                BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(42), (uint)Math.Min(offset, uint.MaxValue));
                if (extra.Length > 0)
                {
                    BinaryPrimitives.WriteUInt16LittleEndian(extra, Zip64);
                    BinaryPrimitives.WriteUInt16LittleEndian(extra.AsSpan(2), sizeof(long));
                    BinaryPrimitives.WriteInt64LittleEndian(extra.AsSpan(4), offset);
                }
                Put(entry);
                Put(name);
                Put(extra);
            }
            Finish(start, position - start);
        }

        private void Finish(long start, long length)
        {
            var at = position;
            var end = new byte[56 + 20 + 22]; // zip64's end, its locator, and the end
            BinaryPrimitives.WriteUInt32LittleEndian(end, 0x06064b50);
            BinaryPrimitives.WriteInt64LittleEndian(end.AsSpan(4), 44);
            BinaryPrimitives.WriteUInt16LittleEndian(end.AsSpan(12), Version);
            BinaryPrimitives.WriteUInt16LittleEndian(end.AsSpan(14), Version);
            BinaryPrimitives.WriteInt64LittleEndian(end.AsSpan(24), records.Count);
            BinaryPrimitives.WriteInt64LittleEndian(end.AsSpan(32), records.Count);
            BinaryPrimitives.WriteInt64LittleEndian(end.AsSpan(40), length);
            BinaryPrimitives.WriteInt64LittleEndian(end.AsSpan(48), start);
            var locator = end.AsSpan(56);
            BinaryPrimitives.WriteUInt32LittleEndian(locator, 0x07064b50);
            BinaryPrimitives.WriteInt64LittleEndian(locator[8..], at);
            BinaryPrimitives.WriteUInt32LittleEndian(locator[16..], 1);
            var last = end.AsSpan(76);
            BinaryPrimitives.WriteUInt32LittleEndian(last, 0x06054b50);
            BinaryPrimitives.WriteUInt16LittleEndian(last[8..], (ushort)Math.Min(records.Count, ushort.MaxValue));
            BinaryPrimitives.WriteUInt16LittleEndian(last[10..], (ushort)Math.Min(records.Count, ushort.MaxValue));
            BinaryPrimitives.WriteUInt32LittleEndian(last[12..], (uint)Math.Min(length, uint.MaxValue));
            BinaryPrimitives.WriteUInt32LittleEndian(last[16..], (uint)Math.Min(start, uint.MaxValue));
            Put(end);
        }

        private void Put(ReadOnlySpan<byte> content)
        {
            stream.Write(content);
            position += content.Length;
        }
    }
}
