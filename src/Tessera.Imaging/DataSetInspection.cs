namespace Tessera.Imaging;

/// <summary>Looks at every picture of a source without keeping any.</summary>
public static class DataSetInspection
{
    private const int ProgressStep = 256;

    /// <summary>Decodes every picture on all cores and counts what there is.</summary>
    /// <param name="source">The source.</param>
    /// <param name="progress">Told as it goes, from several threads, one at a time.</param>
    /// <param name="cancellation">Stops the inspection.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static InspectionReport Inspect(ImageSource source, IProgress<PackProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        var facts = new ImageFacts?[source.Entries.Count];
        var broken = new BrokenImage?[facts.Length];
        var gate = new Lock();
        var (done, brokenCount) = (0, 0);
        Parallel.For(0, facts.Length, new ParallelOptions { CancellationToken = cancellation }, index =>
        {
            try { facts[index] = source.Examine(index); }
            catch (BrokenImageException error) { broken[index] = error.ToBrokenImage(); }
            lock (gate)
            {
                brokenCount += broken[index] is null ? 0 : 1;
                if (++done % ProgressStep == 0 || done == facts.Length)
                    progress?.Report(new PackProgress(done, facts.Length, brokenCount));
            }
        });
        return Report(source, facts, [.. broken.OfType<BrokenImage>()]);
    }

    private static InspectionReport Report(ImageSource source, ImageFacts?[] facts, BrokenImage[] broken)
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
        };
    }

    private static SortedDictionary<TKey, int> Counts<TKey>(IEnumerable<TKey> values) where TKey : notnull =>
        new(values.CountBy(value => value).ToDictionary());
}
