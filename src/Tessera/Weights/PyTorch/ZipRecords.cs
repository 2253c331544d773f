using System.Buffers.Binary;
using System.Text;

namespace Tessera.Weights.PyTorch;

/// <summary>The records of a zip archive that lie in it as they are, which is how PyTorch writes all of its.</summary>
/// <remarks>
/// PKWARE's APPNOTE.TXT, with zip64. A compressed record is refused: what it claims to become is not backed by the file's bytes.
/// </remarks>
internal sealed class ZipRecords
{
    private const uint EndSignature = 0x06054b50, End64Signature = 0x06064b50, Locator64Signature = 0x07064b50, EntrySignature = 0x02014b50, LocalSignature = 0x04034b50;
    private const int EndBytes = 22, LocatorBytes = 20, End64Bytes = 56, EntryBytes = 46, LocalBytes = 30;
    private const int LargestDirectory = 1 << 27;

    private readonly Dictionary<string, (long Local, long Length)> records = [];

    /// <summary>Names of the records, with their folders.</summary>
    public IReadOnlyCollection<string> Names => records.Keys;

    /// <summary>Reads an archive's directory.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or holds a compressed record.</exception>
    public static ZipRecords Read(ContainerBytes file)
    {
        var zip = new ZipRecords();
        var (offset, length, end) = Directory(file);
        if (length > LargestDirectory) throw Wrong($"its directory claims {length} bytes");
        if (offset < 0 || length < 0 || offset > end - length) throw Wrong("its directory lies beyond its end: it may be cut short");
        var bytes = file.Read(offset, (int)length);
        for (var at = 0; at < bytes.Length;) at += zip.Entry(bytes.AsSpan(at), offset);
        return zip;
    }

    /// <summary>Where a record's bytes lie; null: there is no such record.</summary>
    /// <exception cref="InvalidDataException">The record's own header is damaged.</exception>
    public (long Offset, long Length)? Find(ContainerBytes file, string name)
    {
        if (!records.TryGetValue(name, out var record)) return null;
        var header = file.Read(record.Local, LocalBytes);
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != LocalSignature) throw Wrong($"the record {Quoted.Of(name)} is not where its directory says");
        var first = record.Local + LocalBytes + BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(26)) + BinaryPrimitives.ReadUInt16LittleEndian(header.AsSpan(28));
        if (record.Length > file.Length - first) throw Wrong($"the record {Quoted.Of(name)} ends beyond the file: it may be cut short");
        return (first, record.Length);
    }

    private static (long Offset, long Length, long End) Directory(ContainerBytes file)
    {
        var tail = (int)Math.Min(file.Length, EndBytes + ushort.MaxValue); // a comment may follow
        var bytes = file.Read(file.Length - tail, tail);
        for (var at = tail - EndBytes; at >= 0; at--)
        {
            var end = bytes.AsSpan(at);
            if (BinaryPrimitives.ReadUInt32LittleEndian(end) != EndSignature || BinaryPrimitives.ReadUInt16LittleEndian(end[20..]) != tail - at - EndBytes) continue;
            var place = file.Length - tail + at;
            var (length, offset) = (BinaryPrimitives.ReadUInt32LittleEndian(end[12..]), BinaryPrimitives.ReadUInt32LittleEndian(end[16..]));
            return Directory64(file, place) ?? (offset, length, place);
        }
        throw Wrong("it begins as a zip archive and has no directory: it may be cut short");
    }

    /// <summary>The directory's place in 64 bits, which PyTorch gives for every file; null: there is none.</summary>
    private static (long Offset, long Length, long End)? Directory64(ContainerBytes file, long end)
    {
        if (end < LocatorBytes + End64Bytes) return null;
        var locator = file.Read(end - LocatorBytes, LocatorBytes);
        if (BinaryPrimitives.ReadUInt32LittleEndian(locator) != Locator64Signature) return null;
        var place = BinaryPrimitives.ReadInt64LittleEndian(locator.AsSpan(8));
        if (place < 0 || place > end - LocatorBytes - End64Bytes) throw Wrong("its directory lies beyond its end");
        var bytes = file.Read(place, End64Bytes);
        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes) != End64Signature) throw Wrong("its directory is not where the archive says");
        return (BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(48)), BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(40)), place);
    }

    /// <returns>Bytes that the entry takes in the directory.</returns>
    private int Entry(ReadOnlySpan<byte> bytes, long end)
    {
        if (bytes.Length < EntryBytes || BinaryPrimitives.ReadUInt32LittleEndian(bytes) != EntrySignature) throw Wrong("its directory is damaged");
        var (flags, method) = (BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]), BinaryPrimitives.ReadUInt16LittleEndian(bytes[10..]));
        long packed = BinaryPrimitives.ReadUInt32LittleEndian(bytes[20..]), length = BinaryPrimitives.ReadUInt32LittleEndian(bytes[24..]), local = BinaryPrimitives.ReadUInt32LittleEndian(bytes[42..]);
        int nameLength = BinaryPrimitives.ReadUInt16LittleEndian(bytes[28..]), extra = BinaryPrimitives.ReadUInt16LittleEndian(bytes[30..]), comment = BinaryPrimitives.ReadUInt16LittleEndian(bytes[32..]);
        var taken = EntryBytes + nameLength + extra + comment;
        if (bytes.Length < taken) throw Wrong("its directory is damaged");
        var name = Encoding.UTF8.GetString(bytes.Slice(EntryBytes, nameLength));
        Widen(bytes.Slice(EntryBytes + nameLength, extra), ref length, ref packed, ref local);
        if (method != 0 || packed != length)
            throw Wrong($"the record {Quoted.Of(name)} is compressed ({packed} bytes that claim to become {length}), which PyTorch's never are");
        if ((flags & 1) != 0) throw Wrong($"the record {Quoted.Of(name)} is encrypted");
        if (local < 0 || length < 0 || local > end - LocalBytes || length > end - LocalBytes - local) throw Wrong($"the record {Quoted.Of(name)} lies beyond the archive's content");
        if (!records.TryAdd(name, (local, length))) throw Wrong($"it has the record {Quoted.Of(name)} twice");
        return taken;
    }

    /// <summary>Sizes that 32 bits cannot hold stand among the extra fields, in this order, where they are needed.</summary>
    private static void Widen(ReadOnlySpan<byte> extra, ref long length, ref long packed, ref long local)
    {
        const int Zip64 = 1;
        while (extra.Length >= 4)
        {
            var (tag, size) = (BinaryPrimitives.ReadUInt16LittleEndian(extra), BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]));
            if (size > extra.Length - 4) return; // padding
            var field = extra.Slice(4, size);
            if (tag == Zip64)
            {
                Take(ref field, ref length);
                Take(ref field, ref packed);
                Take(ref field, ref local);
                return;
            }
            extra = extra[(4 + size)..];
        }

        static void Take(ref ReadOnlySpan<byte> field, ref long value)
        {
            if (value != uint.MaxValue || field.Length < 8) return;
            value = BinaryPrimitives.ReadInt64LittleEndian(field);
            field = field[8..];
        }
    }

    private static InvalidDataException Wrong(string what) => new(what);
}

/// <summary>A file's bytes by position, so that several threads may read at once.</summary>
internal sealed class ContainerBytes(Microsoft.Win32.SafeHandles.SafeFileHandle handle)
{
    /// <summary>Bytes of the file when it was opened.</summary>
    public long Length { get; } = RandomAccess.GetLength(handle);

    /// <exception cref="InvalidDataException">They are not there.</exception>
    public byte[] Read(long offset, int length)
    {
        if (offset < 0 || length > Length - offset) throw new InvalidDataException("it is shorter than it says: it may be cut short");
        var bytes = new byte[length];
        Read(offset, bytes);
        return bytes;
    }

    /// <exception cref="InvalidDataException">They are not there.</exception>
    public void Read(long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            var read = RandomAccess.Read(handle, destination, offset);
            if (read == 0) throw new InvalidDataException("it became shorter while it was read");
            destination = destination[read..];
            offset += read;
        }
    }
}
