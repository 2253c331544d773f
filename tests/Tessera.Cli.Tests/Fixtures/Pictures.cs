using SkiaSharp;

namespace Tessera.Cli.Tests.Fixtures;

/// <summary>Pictures of any size and format in a folder.</summary>
internal static class Pictures
{
    // One grey pixel. Skia reads GIF and does not write it.
    private const string SmallestGif = "R0lGODlhAQABAIAAAICAgAAAACwAAAAAAQABAAACAkQBADs=";

    /// <summary>Three dozen sound pictures of five formats and many sizes.</summary>
    public static void Mixed(string folder)
    {
        SKEncodedImageFormat[] formats = [SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Png, SKEncodedImageFormat.Webp];
        for (var i = 0; i < 33; i++)
        {
            var format = formats[i % formats.Length];
            var bytes = Encode(17 + 5 * i, 90 - 2 * i, i % 5 == 0 ? SKColorType.Gray8 : SKColorType.Rgba8888, format);
            File.WriteAllBytes(Path.Join(folder, $"{i:D2}.{format.ToString().ToLowerInvariant()}"), bytes);
        }
        File.WriteAllBytes(Path.Join(folder, "dot.gif"), Convert.FromBase64String(SmallestGif));
        File.WriteAllBytes(Path.Join(folder, "row.bmp"), Bmp(width: 40, height: 3));
        File.WriteAllBytes(Path.Join(folder, "column.bmp"), Bmp(width: 4, height: 50));
    }

    /// <summary>A picture with a gradient.</summary>
    public static byte[] Encode(int width, int height, SKColorType colours, SKEncodedImageFormat format)
    {
        using var bitmap = new SKBitmap(width, height, colours, colours == SKColorType.Gray8 ? SKAlphaType.Opaque : SKAlphaType.Unpremul);
        for (var y = 0; y < height; y++)
        {
            for (var x = 0; x < width; x++) bitmap.SetPixel(x, y, new SKColor((byte)(5 * x), (byte)(3 * y), (byte)(x * y), (byte)(255 - x % 2 * 100)));
        }
        using var encoded = bitmap.Encode(format, 90);
        return encoded.ToArray();
    }

    /// <summary>A black BMP of 24 bits a pixel.</summary>
    private static byte[] Bmp(int width, int height)
    {
        const int Head = 54;
        var length = Head + (3 * width + 3) / 4 * 4 * height;
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        writer.Write("BM"u8);
        foreach (var number in new[] { length, 0, Head, 40, width, height, 24 << 16 | 1, 0, length - Head, 0, 0, 0, 0 }) writer.Write(number);
        writer.Write(new byte[length - Head]);
        return bytes.ToArray();
    }
}
