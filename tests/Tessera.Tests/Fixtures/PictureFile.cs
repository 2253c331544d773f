using SkiaSharp;
using Tessera.Imaging;

namespace Tessera.Tests.Fixtures;

/// <summary>A picture of a set as a file of its own.</summary>
internal static class PictureFile
{
    /// <summary>Writes a PNG file of exactly its pixels.</summary>
    /// <returns>The file, and the (C, H, W) pixels.</returns>
    public static (string File, byte[] Planar) Of(ImageSet images, int index, ScratchFolder folder)
    {
        var (_, height, width) = images.Shape;
        var planar = new byte[images.Shape.Pixels];
        images.Read(index, planar);
        using var bitmap = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        for (var i = 0; i < height * width; i++) bitmap.SetPixel(i % width, i / width, new SKColor(planar[i], planar[height * width + i], planar[2 * height * width + i]));
        using var png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return (folder.File($"{index}.png", png.ToArray()), planar);
    }
}
