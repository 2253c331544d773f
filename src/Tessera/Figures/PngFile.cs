using SkiaSharp;
using Tessera.Imaging;

namespace Tessera.Figures;

/// <summary>Draws a picture as a PNG file's bytes, and writes such bytes whole.</summary>
internal static class PngFile
{
    /// <summary>Draws on white.</summary>
    /// <returns>The bytes of a PNG file.</returns>
    /// <exception cref="ArgumentException">The picture is too large to be drawn.</exception>
    public static byte[] Encode(int width, int height, Action<SKCanvas> draw)
    {
        using var surface = SKSurface.Create(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque))
            ?? throw new ArgumentException($"A picture of {width} × {height} pixels is too large: choose a smaller scale or fewer rows.");
        surface.Canvas.Clear(SKColors.White);
        draw(surface.Canvas);
        using var image = surface.Snapshot();
        using var png = image.Encode(SKEncodedImageFormat.Png, 100);
        return png.ToArray();
    }

    /// <summary>Draws a picture into a place.</summary>
    public static void Draw(SKCanvas canvas, RgbImage picture, SKRect place, SKSamplingOptions sampling)
    {
        var pixels = new byte[4 * picture.Width * picture.Height];
        for (var (from, to) = (0, 0); from < picture.Rgb.Length; from += 3, to += 4)
        {
            picture.Rgb.AsSpan(from, 3).CopyTo(pixels.AsSpan(to));
            pixels[to + 3] = byte.MaxValue;
        }
        var info = new SKImageInfo(picture.Width, picture.Height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var image = SKImage.FromPixelCopy(info, pixels);
        canvas.DrawImage(image, place, sampling);
    }

    /// <summary>Replaces the file when the new one is whole.</summary>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Save(string file, byte[] png) => WholeFile.Naming(file, () => WholeFile.Write(file, png));
}
