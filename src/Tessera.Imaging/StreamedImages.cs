using Tessera.Imaging.Packing;

namespace Tessera.Imaging;

/// <summary>Pictures that are decoded each time they are read: for a source too large to pack.</summary>
/// <remarks>
/// Which pictures are broken shows only when they are read. A broken one's place is taken by the next sound picture in the source's order, of
/// the same side of the split and beginning anew after the last: a function of the source alone, so that a resumed run equals an uninterrupted
/// one. The sides are what is held out, what is for development (left out of training or not) and the rest, which no limit narrows: so none of
/// them is ever seen in another's place.
/// </remarks>
public sealed class StreamedImages : ImageSet
{
    /// <summary>Training pictures that mean and deviation are measured on: their mean lies within about a hundredth of all pictures'.</summary>
    public const int MeasuredPictures = 2000;

    private readonly ImageSource source;
    private readonly ulong seed;
    private readonly int[] labels;
    private readonly Side[] sides;
    private readonly Lock gate = new();
    private readonly SortedDictionary<int, BrokenImage> broken = [];
    private BrokenImage[]? named; // of the broken ones, until another is met

    private StreamedImages(ImageSource source, ImageShape shape, ulong seed, IProgress<PackProgress>? progress, CancellationToken cancellation)
    {
        if (source.RefusalToStream is { } refusal) throw new ImageSourceException(refusal);
        (this.source, Shape, this.seed) = (source, shape, seed);
        labels = [.. source.Entries.Select(entry => entry.Label)];
        TestStart = source.TestStart;
        sides = new Side[Count];
        var training = Measured();
        var statistics = Measure(training, progress, cancellation);
        if (Broken.Count == training.Length && training.Length < TestStart)
            statistics = Measure([.. Enumerable.Range(0, TestStart)], progress, cancellation);
        if (Broken.Count == TestStart)
            throw NothingLeft(Side.Training, TestStart);
        (Mean, StandardDeviation) = (statistics.Mean(), statistics.StandardDeviation());

        var split = DataSplit.Of(this, limit: null, seed);
        foreach (var index in split.HeldOut) sides[index] = Side.HeldOut;
        foreach (var index in split.Development) sides[index] = Side.Development;
        foreach (var side in Enum.GetValues<Side>()) RequireSound(side);
    }

    /// <inheritdoc/>
    public override ImageShape Shape { get; }

    /// <inheritdoc/>
    public override int Count => source.Entries.Count;

    /// <inheritdoc/>
    public override int TestStart { get; }

    /// <inheritdoc/>
    public override ReadOnlySpan<int> Labels => labels;

    /// <inheritdoc/>
    public override string Name(int index) => source.Entries[Checked(index)].Name;

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassNames => source.ClassNames;

    /// <inheritdoc/>
    public override IReadOnlyList<string> ClassTitles => source.ClassTitles;

    /// <inheritdoc/>
    public override string SourceKind => source.Kind;

    /// <inheritdoc/>
    public override string SourceLocation => source.Location;

    /// <inheritdoc/>
    public override string Fingerprint => source.Fingerprint;

    /// <summary>Per channel over a seeded subset of <see cref="MeasuredPictures"/> training pictures (all where there are no more), on the scale 0 to 1.</summary>
    public override IReadOnlyList<double> Mean { get; }

    /// <summary>As <see cref="Mean"/>, of the population.</summary>
    public override IReadOnlyList<double> StandardDeviation { get; }

    /// <summary>Pictures that could not be decoded, in the source's order: those met so far. Others stand in for them.</summary>
    public override IReadOnlyList<BrokenImage> Broken
    {
        get
        {
            lock (gate) return named ??= [.. broken.Values];
        }
    }

    /// <inheritdoc/>
    public override bool DecodesWhenRead => true;

    internal override ulong? SplitSeed => seed;

    /// <summary>Opens a source to be decoded picture by picture; mean and deviation are measured at once, on all cores.</summary>
    /// <param name="source">Any source string, see <see cref="ImageSource.Open(string)"/>. A packed file of this shape is used as it is.</param>
    /// <param name="shape">The shape wanted.</param>
    /// <param name="seed">That of the <see cref="DataSplit"/>; it also draws the pictures that are measured.</param>
    /// <param name="cacheFolder">As for <see cref="ImageSource.Open(string)"/>.</param>
    /// <param name="progress">Told as pictures are measured, from several threads, one at a time.</param>
    /// <param name="cancellation">Stops measuring.</param>
    /// <exception cref="ImageSourceException">
    /// There is no such source, not one picture of a side of the split can be read, or pictures cannot be had one by one in any order.
    /// </exception>
    /// <exception cref="ImageAccessException">A picture's bytes could not be had; reading one later throws it too.</exception>
    /// <exception cref="PackedFormatException">The source is a packed file that cannot be used.</exception>
    public static ImageSet Open(
        string source, ImageShape shape, ulong seed, string? cacheFolder = null, IProgress<PackProgress>? progress = null, CancellationToken cancellation = default)
    {
        var opened = ImageSource.Open(source, cacheFolder, progress, cancellation);
        return PackedImages.Of(opened, shape) ?? (ImageSet)Open(opened, shape, seed, progress, cancellation);
    }

    /// <summary>The same of a source that is open; it is disposed with the pictures, also where this fails.</summary>
    public static StreamedImages Open(
        ImageSource source, ImageShape shape, ulong seed, IProgress<PackProgress>? progress = null, CancellationToken cancellation = default)
    {
        try
        {
            return new StreamedImages(source, shape, seed, progress, cancellation);
        }
        catch
        {
            (source as IDisposable)?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public override void Read(int index, Span<byte> planar)
    {
        var side = sides[Checked(index)];
        for (var i = 0; i < Count; i++)
        {
            var picture = (int)(((long)index + i) % Count);
            if (sides[picture] == side && TryRead(picture, planar)) return;
        }
        throw NothingLeft(side, sides.Count(other => other == side));
    }

    /// <inheritdoc/>
    public override void Dispose() => (source as IDisposable)?.Dispose();

    private int Checked(int index) => (uint)index < (uint)Count ? index
        : throw new ArgumentOutOfRangeException(nameof(index), $"{SourceLocation} has {Count} pictures; there is no number {index}.");

    private bool TryRead(int index, Span<byte> planar)
    {
        lock (gate)
        {
            if (broken.ContainsKey(index)) return false; // once broken, always: no time is lost on it twice
        }
        try
        {
            source.ReadSound(index, Shape, planar);
            return true;
        }
        catch (BrokenImageException error)
        {
            lock (gate)
            {
                if (broken.TryAdd(index, error.ToBrokenImage())) named = null;
            }
            return false;
        }
    }

    private int[] Measured()
    {
        int[] pictures = [.. Enumerable.Range(0, TestStart)];
        if (pictures.Length <= MeasuredPictures) return pictures;
        new CounterRandom(seed, RandomPurpose.Statistics, 0, 0).Shuffle(pictures);
        return pictures[..MeasuredPictures];
    }

    private ChannelSums Measure(int[] pictures, IProgress<PackProgress>? progress, CancellationToken cancellation)
    {
        var all = new ChannelSums(Shape.Channels);
        var (done, telling) = (0, new Lock());
        ParallelWork.For(pictures.Length,
            () => (Sums: new ChannelSums(Shape.Channels), Pixels: new byte[Shape.Pixels]),
            (i, local) =>
            {
                if (TryRead(pictures[i], local.Pixels)) local.Sums.Add(local.Pixels);
                lock (telling) progress?.Report(new PackProgress(++done, pictures.Length, Broken.Count));
            },
            local =>
            {
                lock (telling) all.Add(local.Sums);
            }, cancellation);
        return all;
    }

    private void RequireSound(Side side)
    {
        var pixels = new byte[Shape.Pixels];
        int[] pictures = [.. Enumerable.Range(0, Count).Where(index => sides[index] == side)];
        // The only picture to train on is for development too: then no other is left.
        if (pictures.Length > 0 && !pictures.Any(index => TryRead(index, pixels))) throw NothingLeft(side, pictures.Length);
    }

    private ImageSourceException NothingLeft(Side side, int count) => ImageSourceException.NothingLeft(
        SourceLocation, side switch { Side.HeldOut => "held-out", Side.Development => "development", _ => "training" }, count, Broken);

    private enum Side : byte
    {
        Training,
        Development,
        HeldOut,
    }
}
