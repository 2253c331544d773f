using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Fillings of hidden patches that learn nothing. A model earns its keep above them.</summary>
public sealed class Baselines : IDisposable
{
    /// <summary>
    /// How steeply a visible patch's weight falls with its distance. Of 1, 2, 2.5, 3 and 4 the best on Tiny-ImageNet's val, and
    /// .2 dB better than the same weights taken between the centres of patches.
    /// </summary>
    private const double Power = 3;

    private const long LargestWhole = 1 << 24; // weights laid out once and for all: 64 MB
    private const long LargestBlock = 1 << 20; // weights laid out at a time where there are more: 4 MB, which stay in the processor's cache

    private readonly Tensor table; // (p·p, 2R − 1, 2C − 1): a pixel's weights for the patches around its own, from −R + 1 and −C + 1 on; 0 for its own
    private readonly Tensor? whole; // (N·p·p, N), where it is not too large: of each pixel, patch by patch, for each patch
    private readonly int channels, rows, columns;

    /// <summary>Prepares the fillings for a model's grid of patches.</summary>
    public Baselines(VisionTransformerOptions options, Device device)
    {
        (channels, rows, columns) = (options.Channels, options.GridHeight, options.GridWidth);
        var (side, middle) = (options.PatchSize, (options.PatchSize - 1) / 2.0);
        var values = new float[side * side, 2 * rows - 1, 2 * columns - 1];
        for (var pixel = 0; pixel < side * side; pixel++)
        {
            for (var row = 1 - rows; row < rows; row++)
            {
                for (var column = 1 - columns; column < columns; column++)
                {
                    if ((row, column) == (0, 0)) continue;
                    var (down, right) = (pixel / side - row * side - middle, pixel % side - column * side - middle);
                    values[pixel, row + rows - 1, column + columns - 1] = (float)Math.Pow(down * down + right * right, -Power / 2);
                }
            }
        }
        table = tensor(values, device: device).DetachFromDisposeScope();
        if (Pixels * Count * Count <= LargestWhole) whole = View(0, 0, rows, columns).reshape(-1, Count).DetachFromDisposeScope();
    }

    /// <summary>Fills with the mean of all visible pixels, by channel.</summary>
    /// <param name="visible">(B, Nv, V), values in the order row, column, channel</param>
    /// <param name="mask">Which places they have.</param>
    /// <returns>(B, Nh, V)</returns>
    public Tensor VisibleMean(Tensor visible, PatchMask mask)
    {
        using var scope = NewDisposeScope();
        var (batch, values) = (visible.shape[0], visible.shape[2]);
        return PatchMeans(visible).mean([1])                                                       // (B, C)
            .view(batch, 1, 1, channels)
            .expand(batch, mask.Hidden.shape[1], values / channels, channels)
            .reshape(batch, mask.Hidden.shape[1], values)
            .MoveToOuterDisposeScope();
    }

    /// <summary>Fills each pixel with the mean of the visible patches' colours, weighted by the inverse cube of the distance to their centres.</summary>
    /// <param name="visible">(B, Nv, V)</param>
    /// <param name="mask">Which places they have.</param>
    /// <returns>(B, Nh, V)</returns>
    /// <remarks>Shepard 1968, "A two-dimensional interpolation function for irregularly-spaced data".</remarks>
    public Tensor InverseDistance(Tensor visible, PatchMask mask)
    {
        using var scope = NewDisposeScope();
        var (batch, seen, count) = (visible.shape[0], visible.shape[1], Count);
        var colours = cat([PatchMeans(visible), visible.new_ones(batch, seen, 1)], dim: 2);      // (B, Nv, C + 1)
        var places = mask.Visible.unsqueeze(2).expand(batch, seen, channels + 1);
        var known = visible.new_zeros(batch, count, channels + 1).scatter(1, places, colours);   // (B, N, C + 1), 0 where hidden
        var sums = WeightedSums(known.transpose(0, 1).reshape(count, -1))                          // (N, p·p, B·(C + 1))
            .view(-1, batch, channels + 1)
            .transpose(0, 1);                                                                      // (B, N·p·p, C + 1)
        var filled = sums.narrow(2, 0, channels) / sums.narrow(2, channels, 1);                    // (B, N·p·p, C)
        return Patches.Pick(filled.reshape(batch, count, -1), mask.Hidden).MoveToOuterDisposeScope();
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        whole?.Dispose();
        table.Dispose();
    }

    private long Pixels => table.shape[0]; // of a patch

    private long Count => (long)rows * columns; // patches

    /// <summary>For each pixel the sum over all patches, weighted.</summary>
    /// <param name="known">(N, K)</param>
    /// <returns>(N, p·p, K)</returns>
    private Tensor WeightedSums(Tensor known)
    {
        var sums = whole?.matmul(known) ?? SumsInBlocks(known);
        return sums.view(Count, Pixels, -1).flip(0);
    }

    /// <summary>The sums where the matrix of weights, N times as large as a picture, is laid out a block at a time: some rows of patches, or part of one.</summary>
    private Tensor SumsInBlocks(Tensor known)
    {
        var ofPatch = Pixels * Count;
        var rowsAtATime = Math.Clamp(LargestBlock / (ofPatch * columns), 1, rows);
        var columnsAtATime = rowsAtATime > 1 ? columns : Math.Clamp(LargestBlock / ofPatch, 1, columns);
        var sums = known.new_empty(Count * Pixels, known.shape[1]);
        using var memory = known.new_empty(rowsAtATime * columnsAtATime * ofPatch); // taken once: the C library does not find such holes again
        var first = 0L;
        for (var row = 0L; row < rows; row += rowsAtATime)
        {
            for (var column = 0L; column < columns; column += columnsAtATime)
            {
                using var scope = NewDisposeScope();
                var view = View(row, column, Math.Min(rowsAtATime, rows - row), Math.Min(columnsAtATime, columns - column));
                var block = memory.narrow(0, 0, view.numel()).view(view.shape).copy_(view).view(-1, Count);
                sums.narrow(0, first, block.shape[0]).copy_(block.matmul(known));
                first += block.shape[0];
            }
        }
        return sums;
    }

    /// <summary>The weights of a rectangle of patches, counted from the last patch: the one before another sees the same weights one place on in the table.</summary>
    /// <returns>(down, right, p·p, R, C), a view of the table</returns>
    private Tensor View(long row, long column, long down, long right)
    {
        var (ofPixel, ofRow) = (table.stride(0), table.stride(1));
        return table.as_strided([down, right, Pixels, rows, columns], [ofRow, 1, ofPixel, ofRow, 1], row * ofRow + column);
    }

    /// <returns>(B, n, C)</returns>
    private Tensor PatchMeans(Tensor patches) => patches.view(patches.shape[0], patches.shape[1], -1, channels).mean([2]);
}
