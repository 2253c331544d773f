using System.Buffers.Binary;
using System.Numerics;

namespace Tessera.Figures;

/// <summary>CRC-32C (Castagnoli; RFC 3720, appendix B.4), and as TFRecords mask it.</summary>
/// <remarks><see cref="BitOperations.Crc32C(uint, ulong)"/> is one instruction where the processor has it, and right elsewhere.</remarks>
internal static class Crc32C
{
    // Added after a rotation by 15, so that the checksum of data that holds checksums stays a good one.
    private const uint MaskDelta = 0xa282ead8;

    public static uint Of(ReadOnlySpan<byte> data)
    {
        var crc = uint.MaxValue;
        for (; data.Length >= sizeof(ulong); data = data[sizeof(ulong)..])
            crc = BitOperations.Crc32C(crc, BinaryPrimitives.ReadUInt64LittleEndian(data));
        foreach (var value in data) crc = BitOperations.Crc32C(crc, value);
        return ~crc;
    }

    public static uint Masked(ReadOnlySpan<byte> data) => unchecked(BitOperations.RotateRight(Of(data), 15) + MaskDelta);
}
