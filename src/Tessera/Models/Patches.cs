using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Models;

/// <summary>Cuts pictures into patches and puts them together again.</summary>
/// <remarks>A patch's values are in the order row, column, channel; patches are in raster order. Both as in MAE.</remarks>
public static class Patches
{
    /// <param name="images">(B, C, H, W); H and W multiples of <paramref name="patchSize"/>.</param>
    /// <param name="patchSize">Side p of a patch in pixels.</param>
    /// <returns>(B, N, p·p·C)</returns>
    public static Tensor Cut(Tensor images, int patchSize)
    {
        using var scope = NewDisposeScope();
        var (batch, channels, rows, columns) = (images.shape[0], images.shape[1], images.shape[2] / patchSize, images.shape[3] / patchSize);
        return images
            .reshape(batch, channels, rows, patchSize, columns, patchSize) // (B, C, h, p, w, p)
            .permute(0, 2, 4, 3, 5, 1)                                     // (B, h, w, p, p, C)
            .reshape(batch, rows * columns, patchSize * patchSize * channels)
            .MoveToOuterDisposeScope();
    }

    /// <param name="patches">(B, N, p·p·C)</param>
    /// <param name="patchSize">Side p of a patch in pixels.</param>
    /// <param name="rows">Rows of patches.</param>
    /// <returns>(B, C, H, W)</returns>
    public static Tensor Join(Tensor patches, int patchSize, int rows)
    {
        using var scope = NewDisposeScope();
        var (batch, columns) = (patches.shape[0], patches.shape[1] / rows);
        var channels = patches.shape[2] / (patchSize * patchSize);
        return patches
            .reshape(batch, rows, columns, patchSize, patchSize, channels) // (B, h, w, p, p, C)
            .permute(0, 5, 1, 3, 2, 4)                                     // (B, C, h, p, w, p)
            .reshape(batch, channels, rows * patchSize, columns * patchSize)
            .MoveToOuterDisposeScope();
    }

    /// <summary>The rows of each picture that <paramref name="places"/> names, in that order.</summary>
    /// <param name="patches">(B, N, V)</param>
    /// <param name="places">(B, n), int64</param>
    /// <returns>(B, n, V)</returns>
    public static Tensor Pick(Tensor patches, Tensor places)
    {
        using var scope = NewDisposeScope();
        var (batch, count, values) = (patches.shape[0], patches.shape[1], patches.shape[2]);
        var starts = HeldNumbers.Multiples(batch, count, patches.device).unsqueeze(1); // (B, 1)
        return patches
            .reshape(batch * count, values)
            .index_select(0, places.Plus(starts).reshape(-1))
            .reshape(batch, places.shape[1], values)
            .MoveToOuterDisposeScope();
    }
}
