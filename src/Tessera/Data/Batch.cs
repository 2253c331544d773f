using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>One batch as the loader hands it over, in the CPU's memory.</summary>
/// <param name="Images">(B, C, H, W) uint8, or null where the pixels are on the device already (<see cref="ResidentPixels"/>)</param>
/// <param name="Crops">(B, 5) float32, or null where pictures are taken whole</param>
/// <param name="Mask">Which patches are hidden.</param>
/// <param name="Pictures">(B) int64: the pictures' indices in their data set (that of a broken picture where another stands in for it).</param>
public sealed record Batch(Tensor? Images, Tensor? Crops, PatchMask Mask, Tensor Pictures) : IDisposable
{
    /// <summary>Number of pictures B.</summary>
    public int Count => (int)Pictures.shape[0];

    /// <summary>Some of its pictures, in the same memory; the tensors belong to the dispose scope at hand.</summary>
    internal Batch Part(Range pictures)
    {
        var (start, count) = pictures.GetOffsetAndLength(Count);
        return new Batch(Images?.narrow(0, start, count), Crops?.narrow(0, start, count),
            new PatchMask(Mask.Visible.narrow(0, start, count), Mask.Hidden.narrow(0, start, count), Mask.Tokens.narrow(0, start, count)),
            Pictures.narrow(0, start, count));
    }

    /// <summary>The same batch in memory that a GPU fetches by itself, so that the transfer waits for nothing; this one is freed.</summary>
    public Batch Pin()
    {
        using (this)
        {
            return new Batch(Images?.pin_memory(), Crops?.pin_memory(),
                new PatchMask(Mask.Visible.pin_memory(), Mask.Hidden.pin_memory(), Mask.Tokens.pin_memory()), Pictures.pin_memory());
        }
    }

    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        Images?.Dispose();
        Crops?.Dispose();
        Mask.Dispose();
        Pictures.Dispose();
    }
}
