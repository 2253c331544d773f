namespace Tessera.Embeddings;

/// <summary>Vectors that lie alone: by the distance to the k-th nearest neighbour (Ramaswamy et al. 2000), which is 1 less the cosine.</summary>
/// <remarks>k neighbours, not one, so that a handful of odd vectors that are alike do not hide each other.</remarks>
public static class Outliers
{
    /// <summary>A number of neighbours that suits sets of some hundreds to some hundred thousand.</summary>
    public const int StandardNeighbours = 10;

    /// <summary>All vectors by their distances, the farthest first.</summary>
    /// <param name="among">The neighbours of vectors among each other, see <see cref="NearestNeighbours.Among"/>.</param>
    /// <param name="neighbours">k; where fewer were searched, those.</param>
    public static IReadOnlyList<Outlier> Rank(Neighbours among, int neighbours = StandardNeighbours)
    {
        ArgumentNullException.ThrowIfNull(among);
        ArgumentOutOfRangeException.ThrowIfLessThan(neighbours, 1);
        var last = Math.Min(neighbours, among.Count) - 1;
        return last < 0 ? [] : [.. Enumerable.Range(0, among.Queries).Select(row => new Outlier(row, 1 - among.Similarities(row)[last])).OrderByDescending(o => o.Distance).ThenBy(o => o.Row)];
    }
}

/// <summary>A vector and how alone it is.</summary>
/// <param name="Row">Which.</param>
/// <param name="Distance">1 less the cosine to its k-th neighbour.</param>
public sealed record Outlier(int Row, float Distance);
