namespace Tessera.Imaging;

/// <summary>How a length is spread over the pictures of a source, in pixels.</summary>
/// <param name="Smallest">The least.</param>
/// <param name="Median">The middle one; of an even number, the lower of the two.</param>
/// <param name="Largest">The most.</param>
public sealed record SizeRange(int Smallest, int Median, int Largest)
{
    internal static SizeRange? Of(IEnumerable<int> lengths)
    {
        int[] sorted = [.. lengths.Order()];
        return sorted.Length == 0 ? null : new SizeRange(sorted[0], sorted[(sorted.Length - 1) / 2], sorted[^1]);
    }
}
