using Tessera.Imaging;

namespace Tessera.Masking;

/// <summary>Hides rectangles until enough units are hidden (BEiT, arXiv:2106.08254, algorithm 1).</summary>
/// <remarks>
/// BEiT's smallest block, 16 of 14 × 14 units, is scaled to the grid. The paper stops once enough is hidden; here the last block
/// is cut, so that the count is exact and the same for each picture.
/// </remarks>
public sealed class BlockMasking : MaskingStrategy
{
    private const double SmallestShare = 16.0 / (14 * 14);
    private const double LowestAspect = 0.3;

    /// <inheritdoc/>
    public override void Hide(Span<bool> hidden, int rows, int columns, int count, ref CounterRandom random)
    {
        var left = count;
        while (left > 0)
        {
            var smallest = Math.Max(1, SmallestShare * rows * columns);
            var area = smallest + random.NextDouble() * Math.Max(0, left - smallest);
            var aspect = Math.Exp((2 * random.NextDouble() - 1) * Math.Log(1 / LowestAspect));
            var height = Math.Clamp((int)Math.Round(Math.Sqrt(area * aspect)), 1, rows);
            var width = Math.Clamp((int)Math.Round(Math.Sqrt(area / aspect)), 1, columns);
            var (top, start) = (random.NextBelow(rows - height + 1), random.NextBelow(columns - width + 1));
            for (var unit = 0; unit < height * width && left > 0; unit++)
            {
                ref var cell = ref hidden[(top + unit / width) * columns + start + unit % width];
                if (!cell) left--;
                cell = true;
            }
        }
    }
}
