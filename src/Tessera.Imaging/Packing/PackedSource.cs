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
        Resampling.CoverAndCrop(Images.Pixels(index), Shape, shape, planar);
        Images.RequireAsOpened();
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
