using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Runtime;

namespace Tessera.Evaluation;

/// <summary>Looks through a source by its vectors: what is odd, doubled, wrongly labelled, on both sides of the split, alike, and worth labelling first.</summary>
public static class Curation
{
    /// <summary>Looks.</summary>
    /// <param name="set">The vectors of the pictures.</param>
    /// <param name="images">Where they come from.</param>
    /// <param name="pictures">Which of its pictures they are of, in their order.</param>
    /// <param name="options">How.</param>
    /// <param name="progress">Told as it goes, from several threads, one at a time.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="OptionsException">Options do not fit, or there are too few pictures.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static CurationReport Run(
        VectorSet set, ImageSet images, int[] pictures, CurationOptions options, IProgress<EvaluationPhase>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(options);
        if (pictures.Length < 2) throw new OptionsException([$"there are {pictures.Length} pictures: with fewer than two there is nothing to compare"]);
        var faults = options.Faults().ToList();
        if (faults.Count > 0) throw new OptionsException(faults);

        var among = NearestNeighbours.Among(set.Vectors, options.Neighbours, new Relay<int>(done => Tell("comparing", done)), cancellation);
        var isHeldOut = new HashSet<int>(pictures.Length > 1 && images.Count > 1 ? DataSplit.PicturesOf(images, SourcePart.HeldOut, options.Seed) : []);
        var entries = pictures.Select((picture, row) => new CuratedPicture(row, set.Names[row], set.ClassOf(row), isHeldOut.Contains(picture))).ToList();

        var rows = pictures.Select((picture, row) => (picture, row)).ToDictionary(p => p.picture, p => p.row);
        var exact = PixelDuplicates.Find(images, pictures, cancellation).Select(group => Group(group.Select(picture => rows[picture]), 1)).ToList();
        var near = NearDuplicates.Find(among, options.Threshold);
        var outliers = Outliers.Rank(among, options.OutlierNeighbours).Take(options.Count).Select(o => new CuratedOutlier(entries[o.Row], o.Distance));
        var hasLabels = set.Vectors.Labels.Distinct().Count(label => label >= 0) > 1;
        var suspects = hasLabels ? SuspectedLabels.Rank(among, set.Vectors.Labels) : [];
        Tell("clustering", pictures.Length);
        var clusters = Clusters.Find(set.Vectors, Math.Min(options.Clusters ?? CurationOptions.ClustersFor(pictures.Length), pictures.Length), (int)(options.Seed % int.MaxValue), cancellation: cancellation);
        var subset = DiverseSubset.Take(set.Vectors, Math.Min(options.Subset, pictures.Length), cancellation: cancellation);
        return new CurationReport(
            set.Origin, pictures.Length, options, near.Threshold, hasLabels, clusters.IsSettled,
            [.. outliers],
            exact,
            [.. near.Groups.Select(group => Group(group.Rows, group.Similarity))],
            [.. suspects.Select(s => new CuratedLabel(entries[s.Row], set.Classes[s.Other], s.Disagree, among.Count, s.OwnShare, s.OtherShare, s.Score,
                [.. among.Indices(s.Row).ToArray().Take(CurationSheets.Columns - 1).Select(row => entries[row])]))],
            [.. Enumerable.Range(0, clusters.Centres.Count).Select(c => (IReadOnlyList<CuratedPicture>)[.. clusters.Members(c).Select(row => entries[row])])],
            [.. subset.Select(s => new CuratedOutlier(entries[s.Row], s.Distance))]);

        CuratedGroup Group(IEnumerable<int> members, double similarity) => new([.. members.Select(row => entries[row])], similarity);

        void Tell(string words, int done) => progress?.Report(new EvaluationPhase(words, done, pictures.Length));
    }
}

/// <summary>How a source is looked through.</summary>
public sealed record CurationOptions
{
    /// <summary>Neighbours of each picture that are looked at: they vote on its label, and are held against the threshold of duplicates.</summary>
    public int Neighbours { get; init; } = KnnClassifier.Standard;

    /// <summary>The neighbour whose distance makes an outlier.</summary>
    public int OutlierNeighbours { get; init; } = Outliers.StandardNeighbours;

    /// <summary>The least cosine of near duplicates; null: what the vectors suggest, see <see cref="NearDuplicates.Suggest"/>.</summary>
    public double? Threshold { get; init; }

    /// <summary>Clusters; null: <see cref="ClustersFor"/>.</summary>
    public int? Clusters { get; init; }

    /// <summary>Outliers that are listed.</summary>
    public int Count { get; init; } = 100;

    /// <summary>Pictures in the subset to label first.</summary>
    public int Subset { get; init; } = 100;

    /// <summary>Draws the split, and where clusters begin.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>A number of clusters that can be looked through: the root of half the pictures, at most 100.</summary>
    public static int ClustersFor(int pictures) => Math.Clamp((int)Math.Sqrt(pictures / 2.0), 1, 100);

    /// <summary>Everything that is wrong with these options.</summary>
    public IEnumerable<string> Faults()
    {
        (string Name, int? Value, int Least)[] numbers =
            [("number of neighbours", Neighbours, 1), ("neighbour of outliers", OutlierNeighbours, 1), ("number of clusters", Clusters, 1), ("number of outliers", Count, 0), ("size of the subset", Subset, 0)];
        foreach (var (name, value, least) in numbers)
        {
            if (value < least) yield return $"the {name} is {value}: it must be at least {least}";
        }
        if (Threshold is not (null or (> -1 and <= 1))) yield return $"the threshold is {Threshold}: it is a cosine, above -1 and at most 1";
    }
}

/// <summary>What was found in a source.</summary>
/// <param name="Origin">What made the vectors.</param>
/// <param name="Pictures">How many were looked at.</param>
/// <param name="Options">How.</param>
/// <param name="Threshold">The cosine from which pictures are near duplicates.</param>
/// <param name="HasLabels">Whether there are two classes or more, so that labels can be suspected.</param>
/// <param name="AreClustersSettled">Whether no picture would change its cluster any more.</param>
/// <param name="Outliers">The pictures farthest from others, the farthest first.</param>
/// <param name="ExactDuplicates">Pictures whose pixels are the same.</param>
/// <param name="NearDuplicates">Pictures whose vectors are nearly the same, the exact ones among them, the most alike first.</param>
/// <param name="SuspectedLabels">Pictures whose neighbours vote for another class, the most suspect first.</param>
/// <param name="Clusters">Of each, its pictures, those most like its centre first.</param>
/// <param name="ToLabel">The subset to label first; the distance is that to those before.</param>
public sealed record CurationReport(
    VectorOrigin? Origin, int Pictures, CurationOptions Options, double Threshold, bool HasLabels, bool AreClustersSettled,
    IReadOnlyList<CuratedOutlier> Outliers, IReadOnlyList<CuratedGroup> ExactDuplicates, IReadOnlyList<CuratedGroup> NearDuplicates,
    IReadOnlyList<CuratedLabel> SuspectedLabels, IReadOnlyList<IReadOnlyList<CuratedPicture>> Clusters, IReadOnlyList<CuratedOutlier> ToLabel)
{
    /// <summary>Groups of duplicates, exact or near, that stand on both sides of the split: what is measured there was trained on.</summary>
    public IReadOnlyList<CuratedGroup> Leaks => [.. NearDuplicates.Concat(ExactDuplicates)
        .Where(group => group.Pictures.Any(p => p.IsHeldOut) && group.Pictures.Any(p => !p.IsHeldOut)).DistinctBy(group => string.Join(' ', group.Pictures.Select(p => p.Row)))];
}

/// <summary>A picture of the source.</summary>
/// <param name="Row">Its place among those that were looked at.</param>
/// <param name="Name">Its name.</param>
/// <param name="Class">Its class; null: none.</param>
/// <param name="IsHeldOut">Whether it is of the test split, or held out in its place.</param>
public sealed record CuratedPicture(int Row, string Name, string? Class, bool IsHeldOut);

/// <summary>A picture and how far it is from others.</summary>
/// <param name="Picture">Which.</param>
/// <param name="Distance">1 less the cosine.</param>
public sealed record CuratedOutlier(CuratedPicture Picture, float Distance);

/// <summary>Pictures that are one.</summary>
/// <param name="Pictures">Which.</param>
/// <param name="Similarity">The cosine of the two that are most alike.</param>
public sealed record CuratedGroup(IReadOnlyList<CuratedPicture> Pictures, double Similarity);

/// <summary>A label that may be wrong.</summary>
/// <param name="Picture">Whose.</param>
/// <param name="Other">The class that its neighbours vote for.</param>
/// <param name="Disagree">How many neighbours have another label than it.</param>
/// <param name="Neighbours">Of how many.</param>
/// <param name="OwnShare">The share of votes for its label.</param>
/// <param name="OtherShare">The share of votes for the other.</param>
/// <param name="Score">See <see cref="Suspect.Score"/>.</param>
/// <param name="Nearest">Its nearest neighbours.</param>
public sealed record CuratedLabel(
    CuratedPicture Picture, string Other, int Disagree, int Neighbours, double OwnShare, double OtherShare, double Score, IReadOnlyList<CuratedPicture> Nearest);
