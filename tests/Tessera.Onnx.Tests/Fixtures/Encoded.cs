using SkiaSharp;

namespace Tessera.Onnx.Tests.Fixtures;

/// <summary>Pictures as files.</summary>
internal static class Encoded
{
    /// <summary>A picture of gradients, no two of which are alike.</summary>
    public static byte[] Picture(int width, int height, int seed, SKEncodedImageFormat format = SKEncodedImageFormat.Jpeg)
    {
        using var bitmap = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        for (var i = 0; i < width * height; i++)
            bitmap.SetPixel(i % width, i / width, new SKColor((byte)(seed * 40 + i % width), (byte)(3 * i / width), (byte)(90 * seed + i % width * seed)));
        using var encoded = bitmap.Encode(format, 90);
        return encoded.ToArray();
    }
}
