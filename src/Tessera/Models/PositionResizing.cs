namespace Tessera.Models;

/// <summary>Brings learned positions to another grid of patches: bicubic interpolation over the grid, channel by channel; the class token's stays.</summary>
/// <remarks>
/// As MAE, timm and Hugging Face do when a model meets pictures of another size: PyTorch's <c>interpolate(mode="bicubic", align_corners=False)</c>, Keys' kernel (1981) with
/// a = -0.75, and the border's places repeated beyond it. DINOv2 departs from it in two ways: without registers it gives the scale as (side + 0.1) / (old side), with registers
/// it smooths when the grid shrinks (<c>antialias=True</c>). Neither is done here.
/// </remarks>
internal static class PositionResizing
{
    private const double A = -0.75;

    /// <param name="positions">((1 or 0) + rows · columns) · width values, raster order.</param>
    /// <param name="from">The grid that they are for.</param>
    /// <param name="to">The grid that they shall be for.</param>
    /// <param name="width">Values of a position.</param>
    /// <returns>As many before the grid as there were, and the new grid's.</returns>
    public static float[] Resize(ReadOnlySpan<float> positions, (int Rows, int Columns) from, (int Rows, int Columns) to, int width)
    {
        if (from == to) return positions.ToArray();
        var extra = positions.Length - from.Rows * from.Columns * width;
        var resized = new float[extra + to.Rows * to.Columns * width];
        positions[..extra].CopyTo(resized);
        var grid = positions[extra..];
        var (rows, columns) = (Taps(from.Rows, to.Rows), Taps(from.Columns, to.Columns));
        for (var place = 0; place < to.Rows * to.Columns; place++)
        {
            var (row, column) = (rows[place / to.Columns], columns[place % to.Columns]);
            var into = resized.AsSpan(extra + place * width, width);
            for (var channel = 0; channel < width; channel++)
            {
                double sum = 0;
                foreach (var (y, ofRow) in row)
                {
                    foreach (var (x, ofColumn) in column) sum += ofRow * ofColumn * grid[(y * from.Columns + x) * width + channel];
                }
                into[channel] = (float)sum;
            }
        }
        return resized;
    }

    /// <summary>For each new place along a side, the four old ones that it is made of, and their weights, which sum to 1.</summary>
    private static (int Place, double Weight)[][] Taps(int from, int to)
    {
        var taps = new (int, double)[to][];
        for (var i = 0; i < to; i++)
        {
            var at = (i + 0.5) * from / to - 0.5;
            var first = (int)Math.Floor(at) - 1;
            taps[i] = [.. Enumerable.Range(first, 4).Select(place => (Math.Clamp(place, 0, from - 1), Kernel(Math.Abs(at - place))))];
        }
        return taps;
    }

    private static double Kernel(double x) => x <= 1
        ? ((A + 2) * x - (A + 3)) * x * x + 1
        : ((A * x - 5 * A) * x + 8 * A) * x - 4 * A;
}
