namespace Tessera.Figures;

/// <summary>A picture in memory: rows from the top, each pixel red, green, blue, 0 to 255. A grey picture has three equal values.</summary>
/// <param name="Width">Pixels a row, at least 1.</param>
/// <param name="Height">Rows, at least 1.</param>
/// <param name="Rgb">3 · Width · Height bytes.</param>
public sealed record RgbImage(int Width, int Height, byte[] Rgb);
