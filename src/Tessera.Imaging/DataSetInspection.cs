using System.IO.Hashing;

namespace Tessera.Imaging;

/// <summary>Looks at every picture of a source without keeping any.</summary>
public static class DataSetInspection
{
    private const int ProgressStep = 256;
    private static readonly ImageShape Compared = new(3, 64, 64); // duplicates are those that are one at this size, whatever they were encoded as

    /// <summary>Decodes every picture on all cores and counts what there is.</summary>
    /// <param name="source">The source.</param>
    /// <param name="progress">Told as it goes, from several threads, one at a time.</param>
    /// <param name="cancellation">Stops the inspection.</param>
    /// <exception cref="ImageAccessException">A picture's bytes could not be had.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static InspectionReport Inspect(ImageSource source, IProgress<PackProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        var facts = new ImageFacts?[source.Entries.Count];
        var broken = new BrokenImage?[facts.Length];
        var hashes = new UInt128[facts.Length];
        var gate = new Lock();
        var (done, brokenCount) = (0, 0);
        ParallelWork.For(facts.Length, () => new byte[Compared.Pixels], (index, pixels) =>
        {
            try
            {
                facts[index] = source.ExamineSound(index);
                source.ReadSound(index, Compared, pixels);
                hashes[index] = XxHash128.HashToUInt128(pixels);
            }
            catch (BrokenImageException error) { broken[index] = error.ToBrokenImage(); }
            lock (gate)
            {
                brokenCount += broken[index] is null ? 0 : 1;
                if (++done % ProgressStep == 0 || done == facts.Length)
                    progress?.Report(new PackProgress(done, facts.Length, brokenCount));
            }
        }, _ => { }, cancellation);
        int[] sound = [.. Enumerable.Range(0, facts.Length).Where(index => broken[index] is null)];
        var duplicates = PixelDuplicates.Groups([.. sound.Select(index => hashes[index])], i => sound[i]);
        return Report(source, facts, [.. broken.OfType<BrokenImage>()], duplicates);
    }

    private static InspectionReport Report(ImageSource source, ImageFacts?[] facts, BrokenImage[] broken, IReadOnlyList<IReadOnlyList<int>> duplicates)
    {
        var sound = source.Entries.Zip(facts)
            .Where(pair => pair.Second is not null)
            .Select(pair => (Entry: pair.First, Facts: pair.Second!.Value))
            .ToList();
        var training = new int[source.ClassNames.Count];
        var test = new int[source.ClassNames.Count];
        foreach (var (entry, _) in sound.Where(picture => picture.Entry.Label >= 0))
            (entry.IsTest ? test : training)[entry.Label]++;
        return new InspectionReport
        {
            Kind = source.Kind,
            Location = source.Location,
            Fingerprint = source.Fingerprint,
            Training = sound.Count(picture => !picture.Entry.IsTest),
            Test = sound.Count(picture => picture.Entry.IsTest),
            Unlabelled = sound.Count(picture => picture.Entry.Label < 0),
            Classes = [.. source.ClassNames.Select((name, label) => new ClassCount(name, source.ClassTitles[label], training[label], test[label]))],
            Width = SizeRange.Of(sound.Select(picture => picture.Facts.Width)),
            Height = SizeRange.Of(sound.Select(picture => picture.Facts.Height)),
            Channels = Counts(sound.Select(picture => picture.Facts.Channels)),
            Formats = Counts(sound.Select(picture => picture.Facts.Format)),
            Broken = broken,
            Duplicates = [.. duplicates.Select(Names)],
            Leaks = [.. duplicates.Where(group => group.Select(index => source.Entries[index].IsTest).Distinct().Count() == 2).Select(Names)],
        };

        IReadOnlyList<string> Names(IReadOnlyList<int> group) => [.. group.Select(index => source.Entries[index].Name)];
    }

    private static SortedDictionary<TKey, int> Counts<TKey>(IEnumerable<TKey> values) where TKey : notnull =>
        new(values.CountBy(value => value).ToDictionary());
}

/// <summary>What a source holds. Every count is of sound pictures; broken ones are listed.</summary>
public sealed record InspectionReport
{
    /// <summary>See <see cref="ImageSource.Kind"/>.</summary>
    public required string Kind { get; init; }

    /// <summary>See <see cref="ImageSource.Location"/>.</summary>
    public required string Location { get; init; }

    /// <summary>See <see cref="ImageSource.Fingerprint"/>.</summary>
    public required string Fingerprint { get; init; }

    /// <summary>Pictures to train on.</summary>
    public required int Training { get; init; }

    /// <summary>Pictures in the source's own test split.</summary>
    public required int Test { get; init; }

    /// <summary>Pictures without a label.</summary>
    public required int Unlabelled { get; init; }

    /// <summary>By label; empty when nothing is labelled.</summary>
    public required IReadOnlyList<ClassCount> Classes { get; init; }

    /// <summary>The class with the fewest training pictures; null when nothing is labelled.</summary>
    public ClassCount? SmallestClass => Classes.MinBy(one => one.Training);

    /// <summary>The class with the most training pictures; null when nothing is labelled.</summary>
    public ClassCount? LargestClass => Classes.MaxBy(one => one.Training);

    /// <summary>Before resizing; null when every picture is broken.</summary>
    public required SizeRange? Width { get; init; }

    /// <summary>Before resizing; null when every picture is broken.</summary>
    public required SizeRange? Height { get; init; }

    /// <summary>Pictures by their number of channels: 1 grey, 3 colour, 4 with transparency.</summary>
    public required IReadOnlyDictionary<int, int> Channels { get; init; }

    /// <summary>Pictures by encoding: <c>JPEG</c>, <c>PNG</c>, …</summary>
    public required IReadOnlyDictionary<string, int> Formats { get; init; }

    /// <summary>Pictures that cannot be read, in the source's order.</summary>
    public required IReadOnlyList<BrokenImage> Broken { get; init; }

    /// <summary>Pictures whose pixels are the same at 64 × 64, by their names, in groups of two or more.</summary>
    public required IReadOnlyList<IReadOnlyList<string>> Duplicates { get; init; }

    /// <summary>Those of <see cref="Duplicates"/> that stand in the training pictures and in the test split: what is measured there was trained on.</summary>
    public required IReadOnlyList<IReadOnlyList<string>> Leaks { get; init; }
}

/// <summary>How many sound pictures a class has.</summary>
/// <param name="Name">See <see cref="ImageSource.ClassNames"/>.</param>
/// <param name="Title">See <see cref="ImageSource.ClassTitles"/>.</param>
/// <param name="Training">To train on.</param>
/// <param name="Test">In the source's own test split.</param>
public sealed record ClassCount(string Name, string Title, int Training, int Test);

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
