using static TorchSharp.torch;

namespace Tessera.Models;

/// <summary>Fixed two-dimensional sine-cosine position embedding.</summary>
/// <remarks>MAE (arXiv:2111.06377), section A.1: the first half of the width tells x, the second y; each half is [sin | cos].</remarks>
internal static class SinCosPositions
{
    /// <returns>(1, N, D), raster order</returns>
    public static Tensor Make(int rows, int columns, int width) => tensor(Values(rows, columns, width), [1, rows * columns, width]);

    /// <returns>(N · D) values, raster order</returns>
    public static float[] Values(int rows, int columns, int width)
    {
        var quarter = width / 4;
        var values = new float[rows * columns * width];
        for (var place = 0; place < rows * columns; place++)
        {
            var row = values.AsSpan(place * width, width);
            Fill(row[..(width / 2)], place % columns, quarter);
            Fill(row[(width / 2)..], place / columns, quarter);
        }
        return values;
    }

    private static void Fill(Span<float> half, int position, int quarter)
    {
        for (var i = 0; i < quarter; i++)
        {
            var angle = position / Math.Pow(10000, (double)i / quarter);
            half[i] = (float)Math.Sin(angle);
            half[quarter + i] = (float)Math.Cos(angle);
        }
    }
}
