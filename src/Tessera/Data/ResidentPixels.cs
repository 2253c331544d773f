using Tessera.Imaging;
using Tessera.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>All packed pictures in the device's memory, uint8, so that a batch is one gather and no transfer.</summary>
public sealed class ResidentPixels : IDisposable
{
    private const long ChunkBytes = 64 << 20;
    private const double LargestShare = 0.5; // of the device's memory: the rest is the model's, its activations' and other programs'

    private readonly Tensor pixels; // (N, C, H, W), uint8

    private ResidentPixels(Tensor pixels) => this.pixels = pixels;

    /// <summary>Puts packed pictures on the device where the choice and its memory allow; else returns null.</summary>
    public static ResidentPixels? Place(ImageSet images, DataOnDevice choice, Device device)
    {
        if (images.DecodesWhenRead) return null; // there are too many even to pack
        var bytes = (long)images.Count * images.Shape.Pixels;
        var wanted = choice == DataOnDevice.Yes
            || (choice == DataOnDevice.Auto && device.type == DeviceType.CUDA && bytes <= LargestShare * CudaDriver.Installed.TotalMemory(device));
        return wanted ? Of(images, device) : null;
    }

    /// <summary>All of them on a device, of which so many bytes are read at a time.</summary>
    internal static ResidentPixels Of(ImageSet images, Device device, long chunkBytes = ChunkBytes) => new(Upload(images, device, chunkBytes));

    /// <summary>What they take.</summary>
    internal long Bytes => pixels.numel();

    /// <summary>A batch.</summary>
    /// <param name="pictures">(B), int64, on the CPU or the device: the pictures' indices</param>
    /// <returns>(B, C, H, W), uint8, on the device</returns>
    public Tensor Gather(Tensor pictures)
    {
        using var scope = NewDisposeScope();
        return pixels.index_select(0, pictures.to(pixels.device, non_blocking: true)).MoveToOuterDisposeScope();
    }

    /// <summary>Frees the device's memory.</summary>
    public void Dispose() => pixels.Dispose();

    private static Tensor Upload(ImageSet images, Device device, long chunkBytes)
    {
        var shape = images.Shape;
        var target = empty([images.Count, shape.Channels, shape.Height, shape.Width], ScalarType.Byte, device).DetachFromDisposeScope();
        var chunk = (int)Math.Clamp(chunkBytes / shape.Pixels, 1, images.Count);
        for (var start = 0; start < images.Count; start += chunk)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(chunk, images.Count - start);
            var part = empty([count, shape.Channels, shape.Height, shape.Width], ScalarType.Byte);
            var bytes = part.bytes;
            for (var i = 0; i < count; i++) images.Read(start + i, bytes[(i * shape.Pixels)..]);
            target.narrow(0, start, count).copy_(part);
        }
        return target;
    }
}

/// <summary>Whether the packed pictures are put into the device's memory, as uint8, where batches are then gathered.</summary>
public enum DataOnDevice
{
    /// <summary>On a GPU, when they are packed and take at most half of its memory.</summary>
    Auto,

    /// <summary>Always; without room the run fails as it begins.</summary>
    Yes,

    /// <summary>Never: batches are copied from pinned memory while the step before computes.</summary>
    No,
}
