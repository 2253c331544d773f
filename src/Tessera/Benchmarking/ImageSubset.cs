using Tessera.Imaging;

namespace Tessera.Benchmarking;

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
