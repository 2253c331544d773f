using Tessera.Imaging;

namespace Tessera.Figures;

/// <summary>A picture in memory: rows from the top, each pixel red, green, blue, 0 to 255. A grey picture has three equal values.</summary>
/// <param name="Width">Pixels a row, at least 1.</param>
/// <param name="Height">Rows, at least 1.</param>
/// <param name="Rgb">3 · Width · Height bytes.</param>
public sealed record RgbImage(int Width, int Height, byte[] Rgb)
{
    /// <summary>A picture of a set.</summary>
    public static RgbImage Of(ImageSet images, int picture)
    {
        ArgumentNullException.ThrowIfNull(images);
        var pixels = new byte[images.Shape.Pixels];
        images.Read(picture, pixels);
        return OfPlanar(images.Shape, pixels);
    }

    /// <summary>A white picture.</summary>
    public static RgbImage Blank(ImageShape shape)
    {
        var rgb = new byte[3 * shape.Height * shape.Width];
        rgb.AsSpan().Fill(255);
        return new RgbImage(shape.Width, shape.Height, rgb);
    }

    /// <summary>A picture from values that lie channel by channel.</summary>
    /// <param name="shape">Its shape.</param>
    /// <param name="planar">(C, H, W)</param>
    public static RgbImage OfPlanar(ImageShape shape, ReadOnlySpan<byte> planar)
    {
        var (channels, height, width) = shape;
        var (size, rgb) = (height * width, new byte[3 * height * width]);
        for (var i = 0; i < size; i++)
        {
            for (var c = 0; c < 3; c++) rgb[3 * i + c] = planar[channels == 3 ? c * size + i : i];
        }
        return new RgbImage(width, height, rgb);
    }
}
