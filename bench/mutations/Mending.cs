using System.Buffers.Binary;
using System.IO.Hashing;

namespace Tessera.Mutations;

/// <summary>Makes checksums right again: else nearly every change would be refused by them, and nothing behind them be tried.</summary>
internal static class Mending
{
    /// <summary>A packed file of one piece: see docs/formats.md.</summary>
    public static byte[] Packed(byte[] file)
    {
        if (file.Length < 16 + 64) return file;
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(file.Length - 16), XxHash3.HashToUInt64(file.AsSpan(0, file.Length - 16)));
        BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(file.Length - 8), XxHash3.HashToUInt64(file.AsSpan(file.Length - 16, 8), file.Length));
        return file;
    }

    /// <summary>An index of shards: its last 16 bytes are a hash of those before.</summary>
    public static byte[] ShardIndex(byte[] file)
    {
        if (file.Length >= 16) XxHash128.Hash(file.AsSpan(0, file.Length - 16), file.AsSpan(file.Length - 16));
        return file;
    }

    /// <summary>A PNG's chunks; any other file stays as it is.</summary>
    public static byte[] Png(byte[] file)
    {
        const int signature = 8, around = 12; // a chunk's length, type and checksum
        if (file.Length < signature || !file.AsSpan(1, 3).SequenceEqual("PNG"u8)) return file;
        for (var at = signature; at + around <= file.Length;)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(file.AsSpan(at));
            if (length > file.Length - at - around) break;
            var end = at + 8 + (int)length;
            BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(end), Crc32.HashToUInt32(file.AsSpan(at + 4, (int)length + 4)));
            at = end + 4;
        }
        return file;
    }
}
