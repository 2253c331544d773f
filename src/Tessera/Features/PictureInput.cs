using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Features;

/// <summary>Pictures on their way into an encoder: brought to its size, and standardised as in its training.</summary>
/// <param name="encoder">The encoder.</param>
/// <param name="normalization">How its pictures are standardised.</param>
/// <param name="device">Where it is.</param>
internal sealed class PictureInput(VisionTransformerOptions encoder, PixelNormalization normalization, Device device)
{
    private const int LargestBatch = 128; // pictures: more are no faster

    /// <summary>The shape that every picture is brought to.</summary>
    public ImageShape Shape { get; } = new(encoder.Channels, encoder.ImageHeight, encoder.ImageWidth);

    /// <summary>A picture's pixels.</summary>
    /// <param name="file">A JPEG, PNG, WebP, BMP or GIF file of any size.</param>
    /// <returns>(C, H, W)</returns>
    /// <exception cref="BrokenImageException">It cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    public byte[] Decode(string file)
    {
        var planar = new byte[Shape.Pixels];
        ImageDecoder.Decode(file, Shape, planar);
        return planar;
    }

    /// <inheritdoc cref="Decode(string)"/>
    /// <param name="encoded">The bytes of such a file, read to their end.</param>
    /// <param name="name">What to call it if it is broken.</param>
    public byte[] Decode(Stream encoded, string name)
    {
        ArgumentNullException.ThrowIfNull(encoded);
        using var memory = new MemoryStream();
        encoded.CopyTo(memory);
        var planar = new byte[Shape.Pixels];
        ImageDecoder.Decode(memory.GetBuffer().AsSpan(0, (int)memory.Length), name, Shape, planar);
        return planar;
    }

    /// <summary>Decodes files on all cores, a batch after the other.</summary>
    /// <param name="files">The files.</param>
    /// <param name="take">Takes a batch: the number of its first picture among the sound ones, and (N, C, H, W) pixels.</param>
    /// <param name="broken">Receives those that cannot be read, in their order, which are then left out; null: the first ends the work.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <returns>The sound ones.</returns>
    /// <exception cref="BrokenImageException">One cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public IReadOnlyList<string> InBatches(IReadOnlyList<string> files, Action<int, ReadOnlySpan<byte>> take, ICollection<BrokenImage>? broken, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(files);
        var sound = new List<string>(files.Count);
        var pixels = new byte[Math.Min(files.Count, LargestBatch) * Shape.Pixels];
        for (var first = 0; first < files.Count; first += LargestBatch)
        {
            cancellation.ThrowIfCancellationRequested();
            var (start, count, taken) = (first, Math.Min(LargestBatch, files.Count - first), sound.Count);
            var faults = new ImagingException?[count];
            Parallel.For(0, count, i =>
            {
                try
                {
                    ImageDecoder.Decode(files[start + i], Shape, Picture(i));
                }
                catch (ImagingException e)
                {
                    faults[i] = e; // the first in order is told, whichever comes first
                }
            });
            for (var i = 0; i < count; i++)
            {
                if (faults[i] is { } fault)
                {
                    if (broken is null) throw fault;
                    broken.Add(fault is ImageAccessException lost ? new BrokenImage(lost.Name, lost.Reason) : ((BrokenImageException)fault).ToBrokenImage());
                    continue;
                }
                if (sound.Count - taken is var place && place < i) Picture(i).CopyTo(Picture(place)); // closes the gaps
                sound.Add(files[start + i]);
            }
            if (sound.Count > taken) take(taken, pixels.AsSpan(0, (sound.Count - taken) * Shape.Pixels));
        }
        return sound;

        Span<byte> Picture(int index) => pixels.AsSpan(index * Shape.Pixels, Shape.Pixels);
    }

    /// <summary>Pixels as the encoder takes them.</summary>
    /// <param name="planar">(N, C, H, W), 0 to 255: one picture after the other</param>
    /// <returns>(N, C, H, W), on the device</returns>
    /// <exception cref="ArgumentException">They are no whole number of pictures.</exception>
    public Tensor Standardized(ReadOnlySpan<byte> planar)
    {
        if (planar.Length == 0 || planar.Length % Shape.Pixels != 0)
            throw new ArgumentException($"{planar.Length} bytes are no whole number of pictures of {Shape}, which have {Shape.Pixels} each.", nameof(planar));
        using var scope = NewDisposeScope();
        var pixels = tensor(planar.ToArray(), [planar.Length / Shape.Pixels, Shape.Channels, Shape.Height, Shape.Width]).to(device);
        return normalization.Standardize(pixels).MoveToOuterDisposeScope();
    }

    /// <summary>Refuses pictures of another shape.</summary>
    /// <exception cref="OptionsException">They have one.</exception>
    public void RequireShape(ImageSet images)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (images.Shape != Shape) throw new OptionsException([$"the pictures are {images.Shape}, and the model takes {Shape}"]);
    }
}
