using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;
using System.Text;
using SkiaSharp;

namespace Tessera.Imaging.Tests.Fixtures;

/// <summary>Encoded pictures, made on the spot: by Skia where it can, else byte by byte.</summary>
internal static class Encoded
{
    public static byte[] Png(int width, int height, Func<int, int, SKColor> colour) => Skia(SKEncodedImageFormat.Png, width, height, colour);

    public static byte[] Png(int width, int height, SKColor colour) => Png(width, height, (_, _) => colour);

    public static byte[] Jpeg(int width, int height, Func<int, int, SKColor> colour) => Skia(SKEncodedImageFormat.Jpeg, width, height, colour);

    public static byte[] Skia(SKEncodedImageFormat format, int width, int height, Func<int, int, SKColor> colour)
    {
        SKColor[] colours = [.. Enumerable.Range(0, width * height).Select(place => colour(place % width, place / width))];
        // Of an opaque picture, too, Skia would write an alpha channel, one that says nothing.
        var alpha = colours.All(pixel => pixel.Alpha == 255) ? SKAlphaType.Opaque : SKAlphaType.Unpremul;
        using var bitmap = new SKBitmap(width, height, SKColorType.Rgba8888, alpha) { Pixels = colours };
        using var data = bitmap.Encode(format, 100);
        return data.ToArray();
    }

    /// <summary>A JPEG of one component, or a PNG of colour type 0.</summary>
    public static byte[] Grey(SKEncodedImageFormat format, int width, int height, Func<int, int, byte> value)
    {
        using var bitmap = new SKBitmap(width, height, SKColorType.Gray8, SKAlphaType.Opaque);
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
                bitmap.GetPixelSpan()[y * bitmap.RowBytes + x] = value(x, y);
        }
        using var data = bitmap.Encode(format, 100);
        return data.ToArray();
    }

    /// <summary>Uncompressed, 24 bits, rows from the bottom up.</summary>
    public static byte[] Bmp(int width, int height, Func<int, int, SKColor> colour)
    {
        var stride = (3 * width + 3) / 4 * 4;
        var file = new byte[54 + stride * height];
        "BM"u8.CopyTo(file);
        WriteInts(file, (2, file.Length), (10, 54), (14, 40), (18, width), (22, height), (26, 1 | (24 << 16)));
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++)
            {
                var pixel = colour(x, y);
                new[] { pixel.Blue, pixel.Green, pixel.Red }.CopyTo(file, 54 + (height - 1 - y) * stride + 3 * x);
            }
        }
        return file;
    }

    /// <summary>PNG of colour type 3: one byte a pixel, an index into the palette.</summary>
    public static byte[] PalettePng(int width, int height, SKColor[] palette, Func<int, int, byte> index)
    {
        using var file = new MemoryStream();
        file.Write([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        (header[8], header[9]) = (8, 3);
        WriteChunk(file, "IHDR", header);
        WriteChunk(file, "PLTE", [.. palette.SelectMany(colour => new[] { colour.Red, colour.Green, colour.Blue })]);
        WriteChunk(file, "tRNS", [.. palette.Select(colour => colour.Alpha)]);
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.Optimal))
        {
            for (var y = 0; y < height; y++)
                zlib.Write([0, .. Enumerable.Range(0, width).Select(x => index(x, y))]);
        }
        WriteChunk(file, "IDAT", packed.ToArray());
        WriteChunk(file, "IEND", []);
        return file.ToArray();
    }

    /// <summary>Black, one bit a pixel, and of its rows perhaps the first alone: no file says more pixels a byte.</summary>
    public static byte[] FlatPng(int width, int height, int? rows = null)
    {
        using var file = new MemoryStream();
        file.Write([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]);
        var header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), height);
        header[8] = 1;
        WriteChunk(file, "IHDR", header);
        using var packed = new MemoryStream();
        using (var zlib = new ZLibStream(packed, CompressionLevel.SmallestSize)) zlib.Write(new byte[(1 + (width + 7) / 8) * (rows ?? height)]);
        WriteChunk(file, "IDAT", packed.ToArray());
        WriteChunk(file, "IEND", []);
        return file.ToArray();
    }

    /// <summary>The same JPEG, whose frame header claims another size.</summary>
    public static byte[] WithSize(byte[] jpeg, int width, int height)
    {
        byte[] claimed = [.. jpeg];
        ReadOnlySpan<byte> marker = [0xFF, 0xC0];
        var frame = claimed.AsSpan().IndexOf(marker); // baseline: the marker, a length, the precision, then height and width
        BinaryPrimitives.WriteUInt16BigEndian(claimed.AsSpan(frame + 5), (ushort)height);
        BinaryPrimitives.WriteUInt16BigEndian(claimed.AsSpan(frame + 7), (ushort)width);
        return claimed;
    }

    /// <summary>GIF89a: each frame is filled with one of four colours.</summary>
    public static byte[] Gif(int width, int height, SKColor[] palette, params int[] frames)
    {
        using var file = new MemoryStream();
        file.Write("GIF89a"u8);
        file.Write([(byte)width, 0, (byte)height, 0, 0xF1, 0, 0]);
        foreach (var colour in palette)
            file.Write([colour.Red, colour.Green, colour.Blue]);
        foreach (var frame in frames)
        {
            file.Write([0x21, 0xF9, 4, 0, 10, 0, 0, 0]); // shown for a tenth of a second
            file.Write([0x2C, 0, 0, 0, 0, (byte)width, 0, (byte)height, 0, 0, 2]);
            foreach (var block in UncompressedLzw(Enumerable.Repeat(frame, width * height)).Chunk(255))
                file.Write([(byte)block.Length, .. block]);
            file.WriteByte(0);
        }
        file.WriteByte(0x3B);
        return file.ToArray();
    }

    /// <summary>The same JPEG with an EXIF segment that holds the orientation and nothing else.</summary>
    public static byte[] WithOrientation(byte[] jpeg, int orientation)
    {
        byte[] tiff =
        [
            (byte)'M', (byte)'M', 0, 42, 0, 0, 0, 8, // big-endian; the first directory follows
            0, 1, // one entry
            0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, (byte)orientation, 0, 0, // Orientation, SHORT, one value
            0, 0, 0, 0, // no other directory
        ];
        byte[] body = [.. "Exif\0\0"u8, .. tiff];
        return [0xFF, 0xD8, 0xFF, 0xE1, 0, (byte)(body.Length + 2), .. body, .. jpeg[2..]];
    }

    private static void WriteInts(byte[] file, params (int Place, int Value)[] fields)
    {
        foreach (var (place, value) in fields)
            BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(place), value);
    }

    private static void WriteChunk(MemoryStream file, string type, byte[] data)
    {
        byte[] content = [.. Encoding.ASCII.GetBytes(type), .. data];
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        file.Write(number);
        file.Write(content);
        BinaryPrimitives.WriteUInt32BigEndian(number, Crc32.HashToUInt32(content));
        file.Write(number);
    }

    /// <summary>Three-bit codes with a clear (4) before every second pixel, so that the table never grows; 5 ends.</summary>
    private static byte[] UncompressedLzw(IEnumerable<int> pixels)
    {
        int[] codes = [.. pixels.Chunk(2).SelectMany(pair => pair.Prepend(4)), 5];
        var bytes = new byte[(3 * codes.Length + 7) / 8];
        for (var bit = 0; bit < 3 * codes.Length; bit++)
            bytes[bit / 8] |= (byte)(((codes[bit / 3] >> (bit % 3)) & 1) << (bit % 8));
        return bytes;
    }
}
