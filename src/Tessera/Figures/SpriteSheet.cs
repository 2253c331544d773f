using SkiaSharp;

namespace Tessera.Figures;

/// <summary>Small pictures side by side in one square, as TensorBoard's projector cuts them out: row by row, all of one size.</summary>
internal static class SpriteSheet
{
    /// <summary>The longest side that browsers take as a texture.</summary>
    public const int LongestSide = 8192;

    /// <summary>How many pictures stand in a row.</summary>
    public static int Columns(int count) => (int)Math.Ceiling(Math.Sqrt(count));

    /// <summary>The side of a picture: its own, or less where the sheet would be too large.</summary>
    public static int Side(int count, int own) => Math.Max(1, Math.Min(own, LongestSide / Columns(count)));

    /// <summary>Draws the sheet.</summary>
    /// <param name="count">How many pictures.</param>
    /// <param name="picture">Gives one.</param>
    /// <param name="side">See <see cref="Side"/>.</param>
    /// <returns>The bytes of a PNG file.</returns>
    public static byte[] Encode(int count, Func<int, RgbImage> picture, int side)
    {
        var columns = Columns(count);
        return PngFile.Encode(columns * side, columns * side, canvas =>
        {
            for (var i = 0; i < count; i++)
                PngFile.Draw(canvas, picture(i), SKRect.Create(i % columns * side, i / columns * side, side, side), new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear));
        });
    }
}
