using static TorchSharp.torch;

namespace Tessera.Models;

/// <summary>Which patches of each picture of a batch are hidden, and which mask token stands for each.</summary>
/// <param name="Visible">(B, Nv) int64: places that are seen, ascending, in raster order from 0.</param>
/// <param name="Hidden">(B, Nh) int64: places that are masked, ascending. Nh is the same for every picture.</param>
/// <param name="Tokens">(B, Nh) int64: which of the set's mask tokens stands at each hidden place.</param>
public sealed record PatchMask(Tensor Visible, Tensor Hidden, Tensor Tokens) : IDisposable
{
    /// <summary>Brings values in sequence order (visible places, then hidden ones) back to raster order.</summary>
    /// <param name="sequence">(B, N, V)</param>
    /// <returns>(B, N, V)</returns>
    public Tensor ToRasterOrder(Tensor sequence)
    {
        using var scope = NewDisposeScope();
        var order = cat([Visible, Hidden], dim: 1).argsort(1); // (B, N): where in the sequence each place stands
        return Models.Patches.Pick(sequence, order).MoveToOuterDisposeScope();
    }

    /// <summary>The masks of several batches as one, one batch after the other; with the same number hidden in each.</summary>
    internal static PatchMask Cat(IReadOnlyList<PatchMask> masks) =>
        new(cat([.. masks.Select(m => m.Visible)]), cat([.. masks.Select(m => m.Hidden)]), cat([.. masks.Select(m => m.Tokens)]));

    /// <summary>The same mask on another device.</summary>
    public PatchMask To(Device device) => Each(t => t.to(device, non_blocking: true));

    /// <summary>A mask whose three tensors are made from this one's.</summary>
    internal PatchMask Each(Func<Tensor, Tensor> change) => new(change(Visible), change(Hidden), change(Tokens));

    /// <summary>Frees the three tensors.</summary>
    public void Dispose()
    {
        Visible.Dispose();
        Hidden.Dispose();
        Tokens.Dispose();
    }
}
