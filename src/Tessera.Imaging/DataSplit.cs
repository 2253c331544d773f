using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace Tessera.Imaging;

/// <summary>Which pictures are trained on, which one decides by, and which only the final figures are of.</summary>
/// <remarks>
/// <para>
/// Each picture is drawn for itself, by a hash of its name and the seed, and so keeps its side whatever other pictures come or go. Were it drawn by
/// its place among the others, a picture more, or one left out because it is broken, would move the rest, and a model would be evaluated on what
/// it was trained on. The price: a share is met as closely as chance meets it, in all and in each class. <c>docs/formats.md</c> says what is hashed.
/// </para>
/// <para>
/// What is chosen by a score (a checkpoint, a rate, a number of epochs) makes that score too good. So there are two sides to evaluate on:
/// choices and the figures during training are made on <see cref="Development"/>, and <see cref="HeldOut"/> is looked at when they are made.
/// </para>
/// </remarks>
/// <param name="Train">Ascending indices into a <see cref="ImageSet"/>.</param>
/// <param name="HeldOut">Ascending indices; none of them is in <paramref name="Train"/> or <paramref name="Development"/>.</param>
/// <param name="Development">
/// Ascending indices of the pictures to decide by. Unless they were held out as well, they are trained on, as far as a limit leaves them.
/// </param>
public sealed record DataSplit(int[] Train, int[] HeldOut, int[] Development)
{
    private const int HeldOutShare = 20;
    private const int DevelopmentShare = 10;

    /// <summary>The pictures to measure on.</summary>
    public int[] Pictures(MeasuredSplit split) => split == MeasuredSplit.Development ? Development : HeldOut;

    /// <summary>
    /// Holds out the source's own test split where it has one, else a twentieth of the pictures. A tenth of the others is for
    /// development. At least one picture is held out, one is for development, and one is left to train on.
    /// </summary>
    /// <param name="images">The pictures.</param>
    /// <param name="limit">
    /// How many training pictures to keep: equally many of each class as far as they last, so that a folder that has grown changes as few as can be.
    /// Null, or more than there are, keeps all.
    /// </param>
    /// <param name="seed">The split is a function of it and of the pictures' names and labels: the same on every machine.</param>
    /// <param name="holdOutDevelopment">Whether the development pictures are left out of the training pictures.</param>
    /// <exception cref="ArgumentException">The limit is less than 1, or the pictures were opened for the split of another seed.</exception>
    /// <exception cref="ImageSourceException">There are too few pictures for one on each side.</exception>
    public static DataSplit Of(ImageSet images, int? limit, ulong seed, bool holdOutDevelopment = false)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (images.SplitSeed is { } own && own != seed)
            throw new ArgumentException($"The pictures were opened for the split of seed {own}, not {seed}.", nameof(seed));
        if (limit < 1)
            throw new ArgumentException($"The limit is the number of training pictures to keep, at least 1, not {limit}.", nameof(limit));
        var (remaining, heldOut) = HoldOut(images, seed);
        var (others, development) = Draw(images, remaining, DevelopmentShare, RandomPurpose.Development, seed);
        var train = holdOutDevelopment ? others : remaining;
        if (train.Length == 0)
            throw new ImageSourceException(
                $"{images.SourceLocation} has one picture to train on: at least two are needed where those for development are held out.");
        return new DataSplit(limit < train.Length ? Balanced(images, train, limit.Value, seed) : train, heldOut, development);
    }

    /// <summary>The pictures of a part of a source, ascending.</summary>
    /// <param name="images">The pictures.</param>
    /// <param name="part">Which.</param>
    /// <param name="seed">Draws the split, see <see cref="Of"/>.</param>
    /// <exception cref="ImageSourceException">There are too few pictures for one on each side, and not all are asked for.</exception>
    public static int[] PicturesOf(ImageSet images, SourcePart part, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (part == SourcePart.All) return [.. Enumerable.Range(0, images.Count)];
        var split = Of(images, limit: null, seed);
        return part switch { SourcePart.Training => split.Train, SourcePart.Development => split.Development, _ => split.HeldOut };
    }

    private static (int[] Remaining, int[] HeldOut) HoldOut(ImageSet images, ulong seed)
    {
        if (images.TestStart == 0)
            throw ImageSourceException.NothingLeft(images.SourceLocation, "training", 0, images.Broken);
        int[] own = [.. Enumerable.Range(0, images.TestStart)];
        if (images.TestStart < images.Count)
            return (own, [.. Enumerable.Range(images.TestStart, images.Count - images.TestStart)]);
        return own.Length > 1
            ? Draw(images, own, HeldOutShare, RandomPurpose.HoldOut, seed)
            : throw new ImageSourceException(
                $"{images.SourceLocation} has one picture that can be read: at least two are needed, one to train on and one to hold out.");
    }

    /// <summary>
    /// Draws each picture with a chance of 1 / <paramref name="share"/>. Where that draws none it is the one with the smallest hash, where
    /// it draws all the one with the largest stays; the only picture is drawn.
    /// </summary>
    private static (int[] Others, int[] Drawn) Draw(ImageSet images, int[] pictures, int share, RandomPurpose purpose, ulong seed)
    {
        var hashes = Hashes(images, pictures, purpose, seed);
        var isDrawn = Array.ConvertAll(hashes, hash => hash <= ulong.MaxValue / (ulong)share); // less than 2⁶⁴ / share
        var count = isDrawn.Count(drawn => drawn);
        if (count == 0)
            isDrawn[Array.IndexOf(hashes, hashes.Min())] = true;
        else if (count == pictures.Length && count > 1)
            isDrawn[Array.IndexOf(hashes, hashes.Max())] = false;
        return ([.. pictures.Where((_, place) => !isDrawn[place])], [.. pictures.Where((_, place) => isDrawn[place])]);
    }

    /// <summary>The first of each class by its hash, then the second of each, and so on; of the last round those with the smallest hashes.</summary>
    private static int[] Balanced(ImageSet images, int[] pictures, int count, ulong seed)
    {
        var hashes = Hashes(images, pictures, RandomPurpose.Limit, seed);
        var labels = images.Labels;
        var byClass = new (int Label, ulong Hash, int Index)[pictures.Length];
        for (var i = 0; i < byClass.Length; i++)
            byClass[i] = (labels[pictures[i]], hashes[i], pictures[i]);
        Array.Sort(byClass);
        var byRound = new (int Round, ulong Hash, int Index)[byClass.Length];
        for (var i = 0; i < byRound.Length; i++)
        {
            var isFirst = i == 0 || byClass[i].Label != byClass[i - 1].Label;
            byRound[i] = (isFirst ? 0 : byRound[i - 1].Round + 1, byClass[i].Hash, byClass[i].Index);
        }
        Array.Sort(byRound);
        var kept = Array.ConvertAll(byRound[..count], picture => picture.Index);
        Array.Sort(kept);
        return kept;
    }

    /// <summary>XxHash3, with the seed, of the purpose's number (four bytes, little-endian) and the picture's name in UTF-8.</summary>
    private static ulong[] Hashes(ImageSet images, int[] pictures, RandomPurpose purpose, ulong seed)
    {
        var bytes = new byte[256];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)purpose);
        var hashes = new ulong[pictures.Length];
        for (var i = 0; i < hashes.Length; i++)
        {
            var name = images.Name(pictures[i]);
            var most = sizeof(uint) + Encoding.UTF8.GetMaxByteCount(name.Length);
            if (bytes.Length < most)
                Array.Resize(ref bytes, most);
            var length = sizeof(uint) + Encoding.UTF8.GetBytes(name, bytes.AsSpan(sizeof(uint)));
            hashes[i] = XxHash3.HashToUInt64(bytes.AsSpan(0, length), unchecked((long)seed));
        }
        return hashes;
    }
}

/// <summary>Pictures that a model is measured on.</summary>
public enum MeasuredSplit
{
    /// <summary>The source's own test split, or the twentieth that is held out: for final figures.</summary>
    HeldOut,

    /// <summary>A tenth of the training pictures, which a run may leave out: for choices, and for what is measured while it trains.</summary>
    Development,
}

/// <summary>A part of a source's pictures.</summary>
public enum SourcePart
{
    /// <summary>All of them.</summary>
    All,

    /// <summary>Those to train on, the development split among them.</summary>
    Training,

    /// <summary>Those that choices are made on.</summary>
    Development,

    /// <summary>The source's own test split, or what is held out in its place.</summary>
    HeldOut,
}
