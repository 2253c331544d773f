using SkiaSharp;

namespace Tessera.Tests.Fixtures;

/// <summary>Pictures for programs to read.</summary>
internal static class DrawnPicture
{
    /// <summary>Writes one.</summary>
    /// <param name="file">A name that ends in .jpg or .png.</param>
    /// <param name="width">Pixels.</param>
    /// <param name="height">Pixels.</param>
    /// <param name="colour">Of a column and a row.</param>
    public static void Write(string file, int width, int height, Func<int, int, SKColor> colour)
    {
        using var bitmap = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        for (var i = 0; i < width * height; i++) bitmap.SetPixel(i % width, i / width, colour(i % width, i / width));
        using var encoded = bitmap.Encode(file.EndsWith(".jpg", StringComparison.Ordinal) ? SKEncodedImageFormat.Jpeg : SKEncodedImageFormat.Png, 90);
        File.WriteAllBytes(file, encoded.ToArray());
    }
}
