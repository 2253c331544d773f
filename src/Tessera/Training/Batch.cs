using Tessera.Masking;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>One batch as the loader hands it over, in the CPU's memory.</summary>
/// <param name="Images">(B, C, H, W) uint8</param>
/// <param name="Crops">(B, 5) float32, or null where pictures are taken whole</param>
/// <param name="Mask">Which patches are hidden.</param>
/// <param name="Pictures">The pictures' indices in their data set.</param>
public sealed record Batch(Tensor Images, Tensor? Crops, PatchMask Mask, int[] Pictures) : IDisposable
{
    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        Images.Dispose();
        Crops?.Dispose();
        Mask.Dispose();
    }
}
