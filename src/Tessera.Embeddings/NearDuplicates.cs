namespace Tessera.Embeddings;

/// <summary>Vectors that are nearly the same, in groups.</summary>
/// <param name="Threshold">Two vectors of at least this cosine are near duplicates.</param>
/// <param name="Groups">Each of two rows or more, which are linked by near duplicates; the most alike first.</param>
public sealed record NearDuplicates(double Threshold, IReadOnlyList<DuplicateGroup> Groups)
{
    private const double Fence = 3; // Tukey's for what is far out

    /// <summary>Finds them among the nearest neighbours of vectors among each other.</summary>
    /// <param name="among">The neighbours, see <see cref="NearestNeighbours.Among"/>. One each is enough: of a group of duplicates, each has another as its nearest.</param>
    /// <param name="threshold">The least cosine; null: <see cref="Suggest"/>.</param>
    public static NearDuplicates Find(Neighbours among, double? threshold = null)
    {
        ArgumentNullException.ThrowIfNull(among);
        var least = threshold ?? Suggest(among);
        var (group, links) = (Enumerable.Range(0, among.Queries).ToArray(), new List<(int Row, float Similarity)>());
        for (var row = 0; row < among.Queries; row++)
        {
            for (var i = 0; i < among.Count && among.Similarities(row)[i] >= least; i++)
            {
                links.Add((row, among.Similarities(row)[i]));
                var (one, other) = (Root(row), Root(among.Indices(row)[i]));
                group[Math.Max(one, other)] = Math.Min(one, other); // a group is named by its first row
            }
        }
        var groups = links.GroupBy(link => Root(link.Row)).ToDictionary(g => g.Key, g => g.Max(link => link.Similarity));
        var rows = Enumerable.Range(0, among.Queries).GroupBy(Root).Where(g => groups.ContainsKey(g.Key));
        return new NearDuplicates(least, [.. rows.Select(g => new DuplicateGroup([.. g], groups[g.Key])).OrderByDescending(g => g.Similarity).ThenBy(g => g.Rows[0])]);

        int Root(int row)
        {
            while (group[row] != row) row = group[row] = group[group[row]];
            return row;
        }
    }

    /// <summary>
    /// The threshold that vectors themselves suggest: a nearest neighbour is unusually near where the logarithm of its distance lies more than three quartile
    /// distances below the lower quartile of all (Tukey 1977), since distances of different pictures spread over a known range and those of doubled ones do not.
    /// </summary>
    /// <param name="among">The neighbours.</param>
    /// <returns>A cosine; 1 where there are fewer than four vectors.</returns>
    public static double Suggest(Neighbours among)
    {
        ArgumentNullException.ThrowIfNull(among);
        if (among.Queries < 4 || among.Count == 0) return 1;
        double[] distances = [.. Enumerable.Range(0, among.Queries).Select(row => Math.Log(Math.Max(1 - among.Similarities(row)[0], 1e-7))).Order()]; // a float tells no less
        var (lower, upper) = (Quantile(distances, 0.25), Quantile(distances, 0.75));
        return 1 - Math.Exp(lower - Fence * (upper - lower));
    }

    private static double Quantile(double[] ordered, double share)
    {
        var place = share * (ordered.Length - 1);
        var before = (int)place;
        return before + 1 == ordered.Length ? ordered[before] : ordered[before] + (place - before) * (ordered[before + 1] - ordered[before]);
    }
}

/// <summary>Vectors that are nearly the same.</summary>
/// <param name="Rows">Which, ascending.</param>
/// <param name="Similarity">The cosine of the two that are most alike.</param>
public sealed record DuplicateGroup(IReadOnlyList<int> Rows, float Similarity);
