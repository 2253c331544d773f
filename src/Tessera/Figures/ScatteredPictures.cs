using SkiaSharp;

namespace Tessera.Figures;

/// <summary>Small pictures at places in a plane.</summary>
internal static class ScatteredPictures
{
    private const int Side = 1600, Margin = 24, LargestThumbnail = 64, SmallestThumbnail = 16;

    /// <summary>Draws them, the larger the fewer they are, the last above the others.</summary>
    /// <param name="places">(N, 2), row by row; fitted to the canvas with one scale for both axes.</param>
    /// <param name="picture">Gives a picture by its row.</param>
    /// <returns>The bytes of a PNG file.</returns>
    public static byte[] Encode(float[] places, Func<int, RgbImage> picture)
    {
        var count = places.Length / 2;
        var thumbnail = Math.Clamp((int)(0.6 * Side / Math.Sqrt(Math.Max(1, count))), SmallestThumbnail, LargestThumbnail);
        var (left, right) = Range(0);
        var (top, bottom) = Range(1);
        var room = Side - 2 * Margin - thumbnail;
        var scale = room / Math.Max(Math.Max(right - left, bottom - top), 1e-12f);
        var (shiftX, shiftY) = ((room - scale * (right - left)) / 2, (room - scale * (bottom - top)) / 2);
        return PngFile.Encode(Side, Side, canvas =>
        {
            for (var i = 0; i < count; i++)
            {
                var (x, y) = (Margin + shiftX + scale * (places[2 * i] - left), Margin + shiftY + scale * (places[2 * i + 1] - top));
                PngFile.Draw(canvas, picture(i), SKRect.Create(x, y, thumbnail, thumbnail), new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear));
            }
        });

        (float Least, float Most) Range(int axis)
        {
            var (least, most) = (float.PositiveInfinity, float.NegativeInfinity);
            for (var i = axis; i < places.Length; i += 2) (least, most) = (Math.Min(least, places[i]), Math.Max(most, places[i]));
            return (least, most);
        }
    }
}
