namespace Tessera.Imaging;

/// <summary>Which pictures are trained on and which are held out; the two never share one.</summary>
/// <param name="Train">Ascending indices into a <see cref="ImageSet"/>.</param>
/// <param name="HeldOut">Ascending indices into a <see cref="ImageSet"/>.</param>
public sealed record DataSplit(int[] Train, int[] HeldOut)
{
    private const int HeldOutShare = 20;

    /// <summary>
    /// Holds out the source's own test split where it has one, else a seeded twentieth of the pictures (at least one), from each class
    /// as much as its share. A limit keeps that many of the other pictures, drawn by the seed, equally many of each class as far
    /// as they last.
    /// </summary>
    /// <param name="images">The pictures.</param>
    /// <param name="limit">How many training pictures to keep; null, or more than there are, keeps all.</param>
    /// <param name="seed">The split is a function of it, the labels and the order of the pictures: the same on every machine.</param>
    /// <exception cref="ArgumentException">The limit is less than 1, or the pictures were opened for the split of another seed.</exception>
    /// <exception cref="ImageSourceException">There is one picture only, so none can be held out.</exception>
    public static DataSplit Of(ImageSet images, int? limit, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (images.SplitSeed is { } own && own != seed)
            throw new ArgumentException($"The pictures were opened for the split of seed {own}, not {seed}.", nameof(seed));
        if (images.TestStart == images.Count && images.Count < 2)
            throw new ImageSourceException(
                $"{images.SourceLocation} has one picture that can be read: at least two are needed, one to train on and one to hold out.");
        return Of(images.Labels, images.TestStart, limit, seed);
    }

    internal static DataSplit Of(ReadOnlySpan<int> labels, int testStart, int? limit, ulong seed)
    {
        if (limit < 1)
            throw new ArgumentException($"The limit is the number of training pictures to keep, at least 1, not {limit}.", nameof(limit));
        int[] train = [.. Enumerable.Range(0, testStart)];
        int[] heldOut = [.. Enumerable.Range(testStart, labels.Length - testStart)];
        if (heldOut.Length == 0)
        {
            heldOut = Proportional(train, labels, Math.Max(1, train.Length / HeldOutShare), seed);
            train = [.. train.Except(heldOut).Order()];
        }
        if (limit < train.Length)
            train = Balanced(train, labels, limit.Value, seed);
        return new DataSplit(train, heldOut);
    }

    /// <summary>From each class the same share: pictures are taken by (their rank in the class + ½) / the class's size.</summary>
    private static int[] Proportional(int[] pictures, ReadOnlySpan<int> labels, int count, ulong seed) =>
        Take(
            Ranked(pictures, labels, RandomPurpose.HoldOut, seed).OrderBy(ranked => (ranked.Rank + 0.5) / ranked.ClassSize).ThenBy(ranked => ranked.Draw),
            count);

    /// <summary>From each class the same number: the first of each, then the second of each, and so on.</summary>
    private static int[] Balanced(int[] pictures, ReadOnlySpan<int> labels, int count, ulong seed) =>
        Take(Ranked(pictures, labels, RandomPurpose.Limit, seed).OrderBy(ranked => ranked.Rank).ThenBy(ranked => ranked.Draw), count);

    private static int[] Take(IEnumerable<RankedPicture> order, int count) => [.. order.Take(count).Select(ranked => ranked.Index).Order()];

    /// <summary>Shuffles each class: a picture's rank is its place in that order.</summary>
    private static IEnumerable<RankedPicture> Ranked(int[] pictures, ReadOnlySpan<int> labels, RandomPurpose purpose, ulong seed)
    {
        var drawn = new (int Index, int Label, ulong Draw)[pictures.Length];
        for (var i = 0; i < pictures.Length; i++)
            drawn[i] = (pictures[i], labels[pictures[i]], new CounterRandom(seed, purpose, 0, (uint)pictures[i]).NextUInt64());
        return from picture in drawn
               group picture by picture.Label into ofClass
               let size = ofClass.Count()
               from ranked in ofClass.OrderBy(picture => picture.Draw).ThenBy(picture => picture.Index).Index()
               select new RankedPicture(ranked.Item.Index, ranked.Index, size, ranked.Item.Draw);
    }

    private readonly record struct RankedPicture(int Index, int Rank, int ClassSize, ulong Draw);
}
