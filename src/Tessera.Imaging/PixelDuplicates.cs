using System.IO.Hashing;

namespace Tessera.Imaging;

/// <summary>Pictures whose pixels are the same, byte for byte, at a set's shape: copies, under whatever name or encoding.</summary>
public static class PixelDuplicates
{
    /// <summary>Finds them by a hash of 128 bits.</summary>
    /// <param name="images">The pictures.</param>
    /// <param name="pictures">Which of them.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>Groups of two or more indices into the set, ascending, in the order of their first.</returns>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static IReadOnlyList<IReadOnlyList<int>> Find(ImageSet images, ReadOnlyMemory<int> pictures, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(images);
        var hashes = new UInt128[pictures.Length];
        ParallelWork.For(pictures.Length, () => new byte[images.Shape.Pixels], (i, pixels) =>
        {
            images.Read(pictures.Span[i], pixels);
            hashes[i] = XxHash128.HashToUInt128(pixels);
        }, _ => { }, cancellation);
        var indices = pictures.ToArray();
        return Groups(hashes, i => indices[i]);
    }

    /// <summary>Numbers that have the same hash, in groups.</summary>
    internal static IReadOnlyList<IReadOnlyList<int>> Groups(IReadOnlyList<UInt128> hashes, Func<int, int> number) =>
    [
        .. Enumerable.Range(0, hashes.Count).GroupBy(i => hashes[i], number).Select(group => (IReadOnlyList<int>)[.. group.Distinct().Order()])
            .Where(group => group.Count > 1).OrderBy(group => group[0]),
    ];
}
