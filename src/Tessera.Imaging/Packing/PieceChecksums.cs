using System.Buffers;
using System.Buffers.Binary;
using System.IO.Hashing;
using Microsoft.Win32.SafeHandles;

namespace Tessera.Imaging.Packing;

/// <summary>XxHash3 of each piece of a packed file, so that all cores verify at once, and one over those.</summary>
/// <remarks>
/// Those of pixels are taken from what is written, in passing. The others, and all when a file is verified, are read, not mapped: copying a block out of the
/// system's cache takes less time than the page faults of its first touch through a map.
/// </remarks>
internal sealed class PieceChecksums
{
    private const int BlockSize = 1 << 18; // is in a core's own cache still when it is hashed

    private readonly Dictionary<int, ulong> known = [];
    private readonly XxHash3 hash = new();
    private long place = PackedHeader.PixelsStart;

    /// <summary>Takes the pixels in passing that follow on those before.</summary>
    public void Append(ReadOnlySpan<byte> pixels)
    {
        while (pixels.Length > 0)
        {
            var piece = (int)(place / PackedHeader.PieceSize);
            var end = (piece + 1L) * PackedHeader.PieceSize;
            var part = pixels[..(int)Math.Min(pixels.Length, end - place)];
            pixels = pixels[part.Length..];
            place += part.Length;
            if (piece == 0) continue; // begins with the header, which is not known yet
            hash.Append(part);
            if (place < end) break;
            known[piece] = hash.GetCurrentHashAsUInt64();
            hash.Reset();
        }
    }

    /// <summary>The table at a file's end: 8 bytes a piece, then 8 over the table and the file's length.</summary>
    /// <exception cref="IOException">The file cannot be read up to its checksums.</exception>
    public byte[] Compute(PackedHeader header, SafeFileHandle file)
    {
        var table = new byte[8 * (header.PieceCount + 1)];
        ParallelWork.For(header.PieceCount, piece =>
        {
            var start = (long)piece * PackedHeader.PieceSize;
            var end = Math.Min(start + PackedHeader.PieceSize, header.ChecksumsStart);
            var checksum = known.TryGetValue(piece, out var taken) ? taken : Hash(file, start, end);
            BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(8 * piece), checksum);
        }, CancellationToken.None);
        var pieces = table.AsSpan(0, 8 * header.PieceCount);
        BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(pieces.Length), XxHash3.HashToUInt64(pieces, header.FileLength));
        return table;
    }

    /// <exception cref="PackedFormatException">A piece differs from what was written, or cannot be read.</exception>
    public static void Verify(PackedHeader header, SafeFileHandle file, string name)
    {
        var stored = new byte[8 * (header.PieceCount + 1)];
        byte[] computed;
        try
        {
            computed = new PieceChecksums().Compute(header, file);
            Read(file, stored, header.ChecksumsStart);
        }
        catch (IOException error)
        {
            throw new PackedFormatException($"{name} cannot be read: {error.Message.TrimEnd('.')}.", error);
        }
        var difference = stored.AsSpan().CommonPrefixLength(computed);
        if (difference == stored.Length)
            return;
        var piece = difference / 8;
        var where = piece < header.PieceCount
            ? $"between bytes {(long)piece * PackedHeader.PieceSize} and {(piece + 1L) * PackedHeader.PieceSize}"
            : "in its checksums";
        throw new PackedFormatException($"{name} was altered or damaged {where}: pack again.");
    }

    private static ulong Hash(SafeFileHandle file, long start, long end)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BlockSize);
        try
        {
            var hash = new XxHash3();
            for (var place = start; place < end; place += BlockSize)
            {
                var block = buffer.AsSpan(0, (int)Math.Min(BlockSize, end - place));
                Read(file, block, place);
                hash.Append(block);
            }
            return hash.GetCurrentHashAsUInt64();
        }
        finally { ArrayPool<byte>.Shared.Return(buffer); }
    }

    private static void Read(SafeFileHandle file, Span<byte> bytes, long start)
    {
        for (var filled = 0; filled < bytes.Length;)
        {
            var read = RandomAccess.Read(file, bytes[filled..], start + filled);
            filled += read > 0 ? read : throw new EndOfStreamException("it became shorter while it was read");
        }
    }
}
