using System.Buffers;

namespace Tessera.Imaging.Packing;

/// <summary>A packed file as a source: to look into it, or to pack it again in another shape.</summary>
internal sealed class PackedSource : ImageSource, IDisposable
{
    public PackedSource(string file) : this(PackedImages.Open(file))
    {
    }

    private PackedSource(PackedImages images)
        : base("packed file", images.File, images.ClassNames, images.ClassTitles, List(images), $"{images.Fingerprint}-{images.Shape}")
    {
        Images = images;
    }

    public PackedImages Images { get; }

    public ImageShape Shape => Images.Shape;

    public override void Read(int index, ImageShape shape, Span<byte> planar)
    {
        var stored = Images.Pixels(index);
        if (shape == Shape)
        {
            stored.CopyTo(planar);
            return;
        }
        var length = 4 * Shape.Height * Shape.Width;
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            PixelLayout.ToInterleaved(stored, Shape.Channels, buffer.AsSpan(0, length));
            Resampling.CoverAndCrop(buffer.AsSpan(0, length), Shape.Width, Shape.Height, shape, planar[..shape.Pixels]);
        }
        finally { ArrayPool<byte>.Shared.Return(buffer); }
    }

    public override ImageFacts Examine(int index) => new(Shape.Width, Shape.Height, Shape.Channels, "packed");

    public void Dispose() => Images.Dispose();

    private static ImageEntry[] List(PackedImages images)
    {
        var entries = new ImageEntry[images.Count];
        for (var index = 0; index < entries.Length; index++)
            entries[index] = new ImageEntry(images.Name(index), images.Labels[index], index >= images.TestStart);
        return entries;
    }
}
