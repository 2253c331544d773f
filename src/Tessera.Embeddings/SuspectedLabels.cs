namespace Tessera.Embeddings;

/// <summary>Labels that neighbours disagree with.</summary>
/// <remarks>
/// The vote is <see cref="KnnClassifier"/>'s, of a vector's neighbours among the others. A class that neighbours never agree on makes many suspects that are
/// none, so what counts is how much less a label is voted for than the labels of its class are on average, the idea of confident learning (Northcutt et al. 2021,
/// arXiv:1911.00068, section 3.1), times how far neighbours agree on another.
/// </remarks>
public static class SuspectedLabels
{
    /// <summary>Every labelled vector whose neighbours vote more for another class than for its own, the most suspect first.</summary>
    /// <param name="among">The neighbours of vectors among each other, see <see cref="NearestNeighbours.Among"/>.</param>
    /// <param name="labels">(N): classes; -1 has no vote and is not suspected.</param>
    /// <param name="temperature">See <see cref="KnnClassifier.Temperature"/>.</param>
    /// <exception cref="ArgumentException">There are other numbers of labels than of vectors.</exception>
    public static IReadOnlyList<Suspect> Rank(Neighbours among, ReadOnlySpan<int> labels, double temperature = KnnClassifier.Temperature)
    {
        ArgumentNullException.ThrowIfNull(among);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(temperature, 0);
        if (labels.Length != among.Queries) throw new ArgumentException($"{labels.Length} labels are not those of {among.Queries} vectors.", nameof(labels));
        var own = labels.ToArray();
        var votes = Enumerable.Range(0, among.Queries).Select(row => own[row] < 0 ? null : Vote(among, own, row, temperature)).ToArray();
        var trusted = Enumerable.Range(0, among.Queries).Where(row => votes[row] is not null)
            .GroupBy(row => own[row]).ToDictionary(g => g.Key, g => g.Average(row => votes[row]!.OwnShare));
        return [.. votes.OfType<Suspect>().Where(s => s.OtherShare > s.OwnShare)
            .Select(s => s with { Score = s.OtherShare * (trusted[s.Label] - s.OwnShare) })
            .OrderByDescending(s => s.Score).ThenBy(s => s.Row)];
    }

    private static Suspect Vote(Neighbours among, int[] labels, int row, double temperature)
    {
        var near = among.Indices(row);
        var similarities = among.Similarities(row);
        var votes = new Dictionary<int, double>();
        var (all, disagree) = (0.0, 0);
        for (var i = 0; i < near.Length; i++)
        {
            var label = labels[near[i]];
            if (label < 0) continue;
            var vote = Math.Exp((similarities[i] - similarities[0]) / temperature);
            votes[label] = votes.GetValueOrDefault(label) + vote;
            all += vote;
            if (label != labels[row]) disagree++;
        }
        var own = votes.GetValueOrDefault(labels[row]);
        votes.Remove(labels[row]);
        if (votes.Count == 0) return new Suspect(row, labels[row], labels[row], 0, all > 0 ? own / all : 0, 0, 0);
        var other = votes.MaxBy(v => (v.Value, -v.Key));
        return new Suspect(row, labels[row], other.Key, disagree, own / all, other.Value / all, 0);
    }
}

/// <summary>A label that neighbours disagree with.</summary>
/// <param name="Row">Which vector's.</param>
/// <param name="Label">What it says.</param>
/// <param name="Other">What neighbours vote for.</param>
/// <param name="Disagree">How many neighbours have another label.</param>
/// <param name="OwnShare">The share of votes for the label.</param>
/// <param name="OtherShare">The share of votes for the other.</param>
/// <param name="Score">-1 to 1: the share of the other, times by how much the label's is less than labels of its class have on average.</param>
public sealed record Suspect(int Row, int Label, int Other, int Disagree, double OwnShare, double OtherShare, double Score);
