using System.Buffers.Binary;
using System.IO.Hashing;

namespace Tessera.Imaging.Packing;

/// <summary>XxHash3 of each piece of a packed file, so that all cores verify at once, and one over those.</summary>
internal static class PieceChecksums
{
    /// <summary>Receives one piece at a time; a delegate because spans do not go through <see cref="Func{T, TResult}"/>.</summary>
    public delegate ulong HashPiece(long start, int length);

    /// <summary>The table at a file's end: 8 bytes a piece, then 8 over the table and the file's length.</summary>
    public static byte[] Compute(PackedHeader header, HashPiece hash)
    {
        var table = new byte[8 * (header.PieceCount + 1)];
        Parallel.For(0, header.PieceCount, piece =>
        {
            var start = (long)piece * PackedHeader.PieceSize;
            var length = (int)Math.Min(PackedHeader.PieceSize, header.ChecksumsStart - start);
            BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(8 * piece), hash(start, length));
        });
        var pieces = table.AsSpan(0, 8 * header.PieceCount);
        BinaryPrimitives.WriteUInt64LittleEndian(table.AsSpan(pieces.Length), XxHash3.HashToUInt64(pieces, header.FileLength));
        return table;
    }

    /// <exception cref="PackedFormatException">A piece differs from what was written.</exception>
    public static unsafe void Verify(PackedHeader header, byte* file, string name)
    {
        var stored = new ReadOnlySpan<byte>(file + header.ChecksumsStart, 8 * (header.PieceCount + 1));
        var computed = Compute(header, (start, length) => XxHash3.HashToUInt64(new ReadOnlySpan<byte>(file + start, length)));
        var difference = stored.CommonPrefixLength(computed);
        if (difference == computed.Length)
            return;
        var piece = difference / 8;
        var where = piece < header.PieceCount
            ? $"between bytes {(long)piece * PackedHeader.PieceSize} and {(piece + 1L) * PackedHeader.PieceSize}"
            : "in its checksums";
        throw new PackedFormatException($"{name} was altered or damaged {where}: pack again.");
    }
}
