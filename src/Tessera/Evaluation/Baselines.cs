using Tessera.Masking;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Fillings of hidden patches that learn nothing. A model earns its keep above them.</summary>
public sealed class Baselines : IDisposable
{
    private readonly Tensor weights; // (N, N): 1 / squared distance of patch centres, 0 on the diagonal

    /// <summary>Prepares the fillings for a grid of patches.</summary>
    public Baselines(int rows, int columns, Device device)
    {
        var count = rows * columns;
        var values = new float[count * count];
        for (var i = 0; i < count; i++)
        {
            for (var j = 0; j < count; j++)
            {
                var (down, right) = (i / columns - j / columns, i % columns - j % columns);
                values[i * count + j] = i == j ? 0 : 1f / (down * down + right * right);
            }
        }
        weights = tensor(values, [count, count], device: device).DetachFromDisposeScope();
    }

    /// <summary>Fills with the mean of all visible pixels, by channel.</summary>
    /// <param name="visible">(B, Nv, V), values in the order row, column, channel</param>
    /// <param name="mask">Which places they have.</param>
    /// <param name="channels">Channels C.</param>
    /// <returns>(B, Nh, V)</returns>
    public static Tensor VisibleMean(Tensor visible, PatchMask mask, int channels)
    {
        using var scope = NewDisposeScope();
        return Spread(PatchMeans(visible, channels).mean([1], keepdim: true), mask.Hidden.shape[1], visible.shape[2])
            .MoveToOuterDisposeScope();
    }

    /// <summary>Fills each patch with the mean of the visible patches' colours, weighted by the inverse square of their distance.</summary>
    /// <param name="visible">(B, Nv, V)</param>
    /// <param name="mask">Which places they have.</param>
    /// <param name="channels">Channels C.</param>
    /// <returns>(B, Nh, V)</returns>
    /// <remarks>Shepard 1968, with power 2 and distances between the centres of patches.</remarks>
    public Tensor InverseDistance(Tensor visible, PatchMask mask, int channels)
    {
        using var scope = NewDisposeScope();
        var (batch, seen, masked) = (visible.shape[0], visible.shape[1], mask.Hidden.shape[1]);
        var rows = weights.index_select(0, mask.Hidden.reshape(-1)).view(batch, masked, -1);            // (B, Nh, N)
        var pairs = rows.gather(2, mask.Visible.unsqueeze(1).expand(batch, masked, seen));              // (B, Nh, Nv)
        var colours = (pairs / pairs.sum(2, keepdim: true)).bmm(PatchMeans(visible, channels));         // (B, Nh, C)
        return Spread(colours, masked, visible.shape[2]).MoveToOuterDisposeScope();
    }

    /// <summary>Frees the table of distances.</summary>
    public void Dispose() => weights.Dispose();

    /// <returns>(B, n, C)</returns>
    private static Tensor PatchMeans(Tensor patches, int channels) =>
        patches.view(patches.shape[0], patches.shape[1], -1, channels).mean([2]);

    /// <returns>(B, n, V): each colour over its whole patch</returns>
    private static Tensor Spread(Tensor colours, long count, long values)
    {
        var (batch, channels) = (colours.shape[0], colours.shape[2]);
        return colours.unsqueeze(2).expand(batch, count, values / channels, channels).reshape(batch, count, values);
    }
}
