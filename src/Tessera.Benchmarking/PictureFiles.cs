using System.Runtime.InteropServices;
using SkiaSharp;
using Tessera.Imaging;

namespace Tessera.Benchmarking;

/// <summary>Writes pictures as JPEG files, for want of a folder that holds some.</summary>
internal static class JpegFolder
{
    private const int Quality = 90; // Tiny-ImageNet's files are of about this one

    /// <summary>Writes so many of the pictures, at the size they have.</summary>
    public static void Write(ImageSet images, int count, string folder, CancellationToken cancellation)
    {
        Directory.CreateDirectory(folder);
        Parallel.For(0, Math.Min(count, images.Count), new ParallelOptions { CancellationToken = cancellation }, i =>
        {
            var (channels, height, width) = images.Shape;
            using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque));
            var planar = new byte[images.Shape.Pixels];
            images.Read(i, planar);
            Interleave(planar, channels, height * width, MemoryMarshal.Cast<byte, uint>(bitmap.GetPixelSpan()));
            using var jpeg = bitmap.Encode(SKEncodedImageFormat.Jpeg, Quality);
            using var file = File.Create(Path.Combine(folder, $"{i:D6}.jpg"));
            jpeg.SaveTo(file);
        });
    }

    private static void Interleave(ReadOnlySpan<byte> planar, int channels, int pixels, Span<uint> rgba)
    {
        var (green, blue) = channels == 1 ? (0, 0) : (pixels, 2 * pixels);
        for (var i = 0; i < pixels; i++)
            rgba[i] = planar[i] | (uint)planar[green + i] << 8 | (uint)planar[blue + i] << 16 | 0xFF000000;
    }
}

/// <summary>So many pictures of a source, spread evenly over it.</summary>
internal sealed class ImageSubset : ImageSource
{
    private readonly ImageSource source;
    private readonly int[] chosen;

    public ImageSubset(ImageSource source, int count) : this(source, Spread(source.Entries.Count, count)) { }

    private ImageSubset(ImageSource source, int[] chosen)
        : base(source.Kind, source.Location, source.ClassNames, source.ClassTitles, [.. chosen.Select(i => source.Entries[i])],
            $"{source.Fingerprint}-{chosen.Length}") => (this.source, this.chosen) = (source, chosen);

    public override void Read(int index, ImageShape shape, Span<byte> planar) => source.Read(chosen[index], shape, planar);

    public override ImageFacts Examine(int index) => source.Examine(chosen[index]);

    private static int[] Spread(int all, int count)
    {
        count = Math.Min(all, count);
        return [.. Enumerable.Range(0, count).Select(i => (int)((long)i * all / count))];
    }
}

/// <summary>An empty folder that is gone when it is disposed of.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("tessera-bench-").FullName;

    public string Entry(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
