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

    private readonly Tensor weights; // (N·p·p, N): of each pixel, patch by patch, for each patch's centre; 0 for its own patch
    private readonly int channels;

    /// <summary>Prepares the fillings for a model's grid of patches.</summary>
    public Baselines(VisionTransformerOptions options, Device device)
    {
        channels = options.Channels;
        var (side, count) = (options.PatchSize, options.Patches);
        var values = new float[count * side * side * count];
        for (var row = 0; row < count * side * side; row++)
        {
            var (patch, pixel) = (row / (side * side), row % (side * side));
            for (var other = 0; other < count; other++)
            {
                if (other == patch) continue;
                var down = (patch / options.GridWidth - other / options.GridWidth) * side + pixel / side - (side - 1) / 2.0;
                var right = (patch % options.GridWidth - other % options.GridWidth) * side + pixel % side - (side - 1) / 2.0;
                values[row * count + other] = (float)Math.Pow(down * down + right * right, -Power / 2);
            }
        }
        weights = tensor(values, [count * side * side, count], device: device).DetachFromDisposeScope();
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
        var (batch, seen, count) = (visible.shape[0], visible.shape[1], weights.shape[1]);
        var colours = cat([PatchMeans(visible), visible.new_ones(batch, seen, 1)], dim: 2);      // (B, Nv, C + 1)
        var places = mask.Visible.unsqueeze(2).expand(batch, seen, channels + 1);
        var known = visible.new_zeros(batch, count, channels + 1).scatter(1, places, colours);   // (B, N, C + 1), 0 where hidden
        var sums = weights.matmul(known.transpose(0, 1).reshape(count, -1))                        // (N·p·p, B·(C + 1))
            .view(-1, batch, channels + 1)
            .transpose(0, 1);                                                                      // (B, N·p·p, C + 1)
        var filled = sums.narrow(2, 0, channels) / sums.narrow(2, channels, 1);                    // (B, N·p·p, C)
        return Patches.Pick(filled.reshape(batch, count, -1), mask.Hidden).MoveToOuterDisposeScope();
    }

    /// <summary>Frees the table of weights.</summary>
    public void Dispose() => weights.Dispose();

    /// <returns>(B, n, C)</returns>
    private Tensor PatchMeans(Tensor patches) => patches.view(patches.shape[0], patches.shape[1], -1, channels).mean([2]);
}
