using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using SkiaSharp;

namespace Tessera.Imaging;

/// <summary>Moves pixels between layouts: four interleaved bytes (red, green, blue, unused or alpha) and planes.</summary>
internal static class PixelLayout
{
    /// <summary>ITU-R BT.601 luma, in 16-bit fixed point with Pillow's weights.</summary>
    public static byte Luma(int red, int green, int blue) => (byte)((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16);

    /// <summary>Interleaved pixels of the final size become planes; for one channel, luma.</summary>
    public static void ToPlanar(ReadOnlySpan<byte> interleaved, int channels, Span<byte> planar)
    {
        if (channels == 1)
        {
            for (var i = 0; i < planar.Length; i++)
                planar[i] = Luma(interleaved[4 * i], interleaved[4 * i + 1], interleaved[4 * i + 2]);
            return;
        }

        var plane = planar.Length / 3;
        var red = planar[..plane];
        var green = planar.Slice(plane, plane);
        var blue = planar[(2 * plane)..];
        var byChannel = Vector128.Create((byte)0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        var pixel = 0;
        for (; pixel + 4 <= plane; pixel += 4)
        {
            var four = Vector128.Shuffle(Vector128.Create(interleaved.Slice(4 * pixel, 16)), byChannel).AsUInt32();
            Unsafe.WriteUnaligned(ref red[pixel], four.GetElement(0));
            Unsafe.WriteUnaligned(ref green[pixel], four.GetElement(1));
            Unsafe.WriteUnaligned(ref blue[pixel], four.GetElement(2));
        }
        for (; pixel < plane; pixel++)
            (red[pixel], green[pixel], blue[pixel]) = (interleaved[4 * pixel], interleaved[4 * pixel + 1], interleaved[4 * pixel + 2]);
    }

    /// <summary>Planes become interleaved pixels, grey ones with three equal values; the fourth byte is 255.</summary>
    public static void ToInterleaved(ReadOnlySpan<byte> planar, int channels, Span<byte> interleaved)
    {
        var plane = planar.Length / channels;
        var (green, blue) = channels == 1 ? (0, 0) : (plane, 2 * plane);
        for (var i = 0; i < plane; i++)
        {
            interleaved[4 * i] = planar[i];
            interleaved[4 * i + 1] = planar[green + i];
            interleaved[4 * i + 2] = planar[blue + i];
            interleaved[4 * i + 3] = 255;
        }
    }

    /// <summary>Planes become pixels, (C, H, W) to (H, W, C).</summary>
    public static void Interleave(ReadOnlySpan<byte> planar, int channels, Span<byte> interleaved)
    {
        var plane = planar.Length / channels;
        for (var channel = 0; channel < channels; channel++)
        {
            var values = planar.Slice(channel * plane, plane);
            for (var i = 0; i < plane; i++) interleaved[i * channels + channel] = values[i];
        }
    }

    /// <summary>Pixels become planes, (H, W, C) to (C, H, W).</summary>
    public static void Deinterleave(ReadOnlySpan<byte> interleaved, int channels, Span<byte> planar)
    {
        var plane = interleaved.Length / channels;
        for (var channel = 0; channel < channels; channel++)
        {
            var values = planar.Slice(channel * plane, plane);
            for (var i = 0; i < plane; i++) values[i] = interleaved[i * channels + channel];
        }
    }

    /// <summary>Premultiplied colour over white: colour + (255 - alpha).</summary>
    public static void CompositeOverWhite(Span<byte> interleaved)
    {
        foreach (ref var pixel in MemoryMarshal.Cast<byte, uint>(interleaved))
        {
            var transparency = 255 - (pixel >> 24);
            pixel += transparency * 0x00010101; // premultiplied values never exceed alpha, so no byte overflows
        }
    }

    /// <summary>Applies an EXIF orientation: where row 0 and column 0 of the stored picture belong when it is shown.</summary>
    /// <param name="stored">(C, H, W) as stored.</param>
    /// <param name="storedShape">Its shape; the result has height and width exchanged for orientations 5 to 8.</param>
    /// <param name="origin">EXIF orientation 1 to 8.</param>
    /// <param name="upright">Receives the picture as it is shown.</param>
    public static void Turn(ReadOnlySpan<byte> stored, ImageShape storedShape, SKEncodedOrigin origin, Span<byte> upright)
    {
        var (channels, storedHeight, storedWidth) = storedShape;
        var transposed = origin >= SKEncodedOrigin.LeftTop;
        var rowsReversed = origin is
            SKEncodedOrigin.BottomRight or SKEncodedOrigin.BottomLeft or SKEncodedOrigin.RightTop or SKEncodedOrigin.RightBottom;
        var columnsReversed = origin is
            SKEncodedOrigin.TopRight or SKEncodedOrigin.BottomRight or SKEncodedOrigin.RightBottom or SKEncodedOrigin.LeftBottom;
        var (height, width) = transposed ? (storedWidth, storedHeight) : (storedHeight, storedWidth);
        for (var channel = 0; channel < channels; channel++)
        {
            var from = stored.Slice(channel * height * width, height * width);
            var to = upright.Slice(channel * height * width, height * width);
            for (var y = 0; y < height; y++)
            {
                for (var x = 0; x < width; x++)
                {
                    var (row, column) = transposed ? (x, y) : (y, x);
                    if (rowsReversed)
                        row = storedHeight - 1 - row;
                    if (columnsReversed)
                        column = storedWidth - 1 - column;
                    to[y * width + x] = from[row * storedWidth + column];
                }
            }
        }
    }
}
