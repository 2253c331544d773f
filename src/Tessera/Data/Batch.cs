using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>One batch as the loader hands it over, in the CPU's memory: pixels, and everything random that happens to them.</summary>
/// <param name="Images">(B, C, H, W) uint8, or null where the pixels are on the device already (<see cref="ResidentPixels"/>)</param>
/// <param name="Views">What was drawn for each view of the plan.</param>
/// <param name="Labels">(B) int64, -1 for a picture without one; null where the plan asks for none.</param>
/// <param name="Pictures">(B) int64: the pictures' indices in their data set (that of a broken picture where another stands in for it).</param>
public sealed record Batch(Tensor? Images, IReadOnlyList<ViewDraw> Views, Tensor? Labels, Tensor Pictures) : IDisposable
{
    /// <summary>Number of pictures B.</summary>
    public int Count => (int)Pictures.shape[0];

    /// <summary>Some of its pictures, in the same memory; the tensors belong to the dispose scope at hand.</summary>
    internal Batch Part(Range pictures)
    {
        var (start, count) = pictures.GetOffsetAndLength(Count);
        return Each(t => t.narrow(0, start, count));
    }

    /// <summary>The same batch in the same memory, which lives as long as either of the two.</summary>
    internal Batch Share() => Each(t => t.alias().DetachFromDisposeScope());

    /// <summary>The same batch in memory that a GPU fetches by itself, so that the transfer waits for nothing; this one is freed.</summary>
    public Batch Pin()
    {
        using (this) return Each(t => t.pin_memory());
    }

    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        Images?.Dispose();
        foreach (var view in Views)
        {
            view.Crops?.Dispose();
            view.Colours?.Dispose();
            view.Mask?.Dispose();
        }
        Labels?.Dispose();
        Pictures.Dispose();
    }

    private Batch Each(Func<Tensor, Tensor> change)
    {
        Tensor? Of(Tensor? value) => value is null ? null : change(value);
        return new Batch(Of(Images), [.. Views.Select(v => new ViewDraw(Of(v.Crops), Of(v.Colours), v.Mask?.Each(change)))], Of(Labels), change(Pictures));
    }
}

/// <summary>What was drawn for one view of each picture of a batch.</summary>
/// <param name="Crops">(B, 5) float32, or null where pictures are taken whole</param>
/// <param name="Colours">(B, C, C + 1) float32, or null where colours stay</param>
/// <param name="Mask">Which patches are hidden; null: none.</param>
public sealed record ViewDraw(Tensor? Crops, Tensor? Colours, PatchMask? Mask);
