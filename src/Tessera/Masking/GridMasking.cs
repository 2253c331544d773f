using Tessera.Imaging;

namespace Tessera.Masking;

/// <summary>Leaves visible units evenly spread: at 75 %, one of each 2 × 2 (MAE, arXiv:2111.06377, figure 6).</summary>
/// <remarks>
/// Units become visible in the order of a dither matrix (Bayer 1973), which spreads any number of them evenly; each picture
/// shifts the matrix by its own offset, so that no place is always seen. At 75 % of an even grid this leaves four masks.
/// </remarks>
public sealed class GridMasking : MaskingStrategy
{
    /// <inheritdoc/>
    public override void Hide(Span<bool> hidden, int rows, int columns, int count, ref CounterRandom random)
    {
        var levels = 1;
        while (1 << levels < Math.Max(rows, columns)) levels++;
        var side = 1 << levels;
        var (down, right) = (random.NextBelow(side), random.NextBelow(side));

        var rank = new int[hidden.Length];
        var order = new int[hidden.Length];
        for (var unit = 0; unit < order.Length; unit++)
        {
            order[unit] = unit;
            rank[unit] = Threshold((unit / columns + down) % side, (unit % columns + right) % side, levels);
        }
        Array.Sort(rank, order);
        foreach (var unit in order.AsSpan(order.Length - count)) hidden[unit] = true;
    }

    // The coarse position within the matrix decides last: M(2n) = [4M 4M+2; 4M+3 4M+1].
    private static int Threshold(int row, int column, int levels)
    {
        var value = 0;
        for (var level = 0; level < levels; level++)
        {
            var (r, c) = (row >> level & 1, column >> level & 1);
            value = value << 2 | (r ^ c) << 1 | r;
        }
        return value;
    }
}
