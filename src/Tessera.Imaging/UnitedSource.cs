using System.Collections;
using System.IO.Hashing;
using System.Text;
using Tessera.Imaging.Containers;

namespace Tessera.Imaging;

/// <summary>Several sources as one: their training pictures first, then their test splits; classes are those of all, told by name.</summary>
/// <remarks>A picture keeps its name, and so its side of a split, unless a source before it has one of that name: then its source's are led by what that is called.</remarks>
internal sealed class UnitedSource : ImageSource, IDisposable
{
    private readonly UnitedEntries pictures;

    private UnitedSource(UnitedEntries pictures, IReadOnlyList<string> names, IReadOnlyList<string> titles)
        : base($"{pictures.Parts.Count} sources: {string.Join(", ", pictures.Parts.Select(part => part.Source.Kind).Distinct())}",
            Join(pictures.Parts.Select(part => part.Source.Location)), names, titles, pictures, Hash(pictures)) => this.pictures = pictures;

    /// <summary>The sources that one string names; a single one where it names no more.</summary>
    public static IReadOnlyList<string> Split(string source) => Path.Exists(source) ? [source] : source.Split(Separator, StringSplitOptions.TrimEntries);

    /// <summary>What is opened together: files that hold many pictures each, which a shell made of a pattern, are one source by kind; all others are sources of their own.</summary>
    public static IEnumerable<IReadOnlyList<string>> Grouped(IReadOnlyList<string> parts) => parts.Index()
        .GroupBy(part => File.Exists(part.Item) && ContainerFiles.IsContainer(part.Item) ? Path.GetExtension(part.Item).ToLowerInvariant() : $"{part.Index}/", part => part.Item)
        .Select(group => (IReadOnlyList<string>)[.. group]);

    /// <summary>Unites sources that are open, which it disposes of, also where it fails.</summary>
    /// <exception cref="ImageSourceException">Their classes cannot be united.</exception>
    public static UnitedSource Of(IReadOnlyList<ImageSource> sources)
    {
        try
        {
            RequireNames(sources);
            var (names, titles, numbers) = (new List<string>(), new List<string>(), new Dictionary<string, (int Label, ImageSource Source)>());
            var parts = new List<UnitedPart>();
            var prefixes = Prefixes(sources);
            foreach (var (place, source) in sources.Index())
            {
                var labels = new int[source.ClassNames.Count];
                for (var i = 0; i < labels.Length; i++)
                {
                    var (name, title) = (source.ClassNames[i], source.ClassTitles[i]);
                    if (!numbers.TryGetValue(name, out var known))
                    {
                        numbers[name] = known = (names.Count, source);
                        names.Add(name);
                        titles.Add(title);
                    }
                    else if (titles[known.Label] == name) titles[known.Label] = title; // until now only by its name
                    else if (title != name && title != titles[known.Label])
                    {
                        throw new ImageSourceException(
                            $"The class {name} is \"{titles[known.Label]}\" in {known.Source.Location} and \"{title}\" in {source.Location}: rename one, so that they are told apart, or make the titles agree.");
                    }
                    labels[i] = known.Label;
                }
                parts.Add(new UnitedPart(source, labels, prefixes[place]));
            }
            return new UnitedSource(new UnitedEntries(parts), names, titles);
        }
        catch
        {
            foreach (var source in sources) (source as IDisposable)?.Dispose();
            throw;
        }
    }

    public override void Read(int index, ImageShape shape, Span<byte> planar)
    {
        var (part, own) = pictures.Place(index);
        try { part.Source.Read(own, shape, planar); }
        catch (BrokenImageException error) when (part.Prefix.Length > 0) { throw part.Renamed(error); }
    }

    public override ImageFacts Examine(int index)
    {
        var (part, own) = pictures.Place(index);
        try { return part.Source.Examine(own); }
        catch (BrokenImageException error) when (part.Prefix.Length > 0) { throw part.Renamed(error); }
    }

    public void Dispose()
    {
        foreach (var part in pictures.Parts) (part.Source as IDisposable)?.Dispose();
    }

    internal override EncodedPicture? Encoded(int index)
    {
        var (part, own) = pictures.Place(index);
        try { return part.Source.Encoded(own); }
        catch (BrokenImageException error) when (part.Prefix.Length > 0) { throw part.Renamed(error); }
    }

    internal override string? RefusalToStream => pictures.Parts.Select(part => part.Source.RefusalToStream).FirstOrDefault(refusal => refusal is not null);

    /// <summary>Numbers that stand for names are no names: label 3 of shards without a list of classes need not be that of other shards.</summary>
    private static void RequireNames(IReadOnlyList<ImageSource> sources)
    {
        if (sources.FirstOrDefault(IsNumbered) is not { } numbered) return;
        if (sources.FirstOrDefault(source => source.ClassNames.Count > 0 && !IsNumbered(source)) is { } named)
        {
            throw new ImageSourceException(
                $"The classes of {numbered.Location} are numbers and those of {named.Location} have names, so that nobody can tell which are the same: list the names in a classes.txt beside the shards.");
        }
    }

    private static bool IsNumbered(ImageSource source) =>
        source.ClassNames.Count > 0 && source.ClassNames.Index().All(name => name.Item == name.Index.ToString(System.Globalization.CultureInfo.InvariantCulture));

    /// <summary>Nothing for a source of which no picture is called as one of an earlier source; else what it is called, with a number where others are called so too.</summary>
    private static string[] Prefixes(IReadOnlyList<ImageSource> sources)
    {
        var (prefixes, names, taken) = (new string[sources.Count], new HashSet<UInt128>(), new HashSet<string>());
        foreach (var (place, source) in sources.Index())
        {
            var own = source.Entries.Select(entry => XxHash128.HashToUInt128(Encoding.UTF8.GetBytes(entry.Name))).ToList();
            prefixes[place] = "";
            if (own.Exists(names.Contains))
            {
                var called = Path.GetFileName(Path.TrimEndingDirectorySeparator(source.Location));
                for (var number = 2; !taken.Add(called); number++) called = $"{Path.GetFileName(Path.TrimEndingDirectorySeparator(source.Location))}-{number}";
                prefixes[place] = called + "/";
            }
            names.UnionWith(own);
        }
        return prefixes;
    }

    private static string Hash(UnitedEntries pictures)
    {
        var fingerprint = new SourceFingerprint();
        foreach (var part in pictures.Parts)
        {
            fingerprint.Append(part.Source.Fingerprint);
            fingerprint.Append(part.Prefix);
        }
        return fingerprint.ToString();
    }
}

/// <summary>One source of several.</summary>
/// <param name="Source">The source.</param>
/// <param name="Labels">Its labels among those of all.</param>
/// <param name="Prefix">What its pictures' names are led by.</param>
internal sealed record UnitedPart(ImageSource Source, int[] Labels, string Prefix)
{
    /// <summary>Pictures before its test split.</summary>
    public int TestStart { get; } = Source.TestStart;

    public ImageEntry Entry(int index)
    {
        var entry = Source.Entries[index];
        return new ImageEntry(Prefix + entry.Name, entry.Label < 0 ? entry.Label : Labels[entry.Label], entry.IsTest);
    }

    public BrokenImageException Renamed(BrokenImageException error) => new(Prefix + error.Name, error.Reason, error);
}

/// <summary>The training pictures of each source in turn, then the test splits of each.</summary>
internal sealed class UnitedEntries : IReadOnlyList<ImageEntry>
{
    private readonly int[] ends; // of training pictures by source, then of test splits by source

    public UnitedEntries(IReadOnlyList<UnitedPart> parts)
    {
        Parts = parts;
        ends = new int[2 * parts.Count];
        var end = 0L;
        for (var i = 0; i < ends.Length; i++)
        {
            var part = parts[i % parts.Count];
            end += i < parts.Count ? part.TestStart : part.Source.Entries.Count - part.TestStart;
            ends[i] = end <= int.MaxValue ? (int)end : throw new ImageSourceException("The sources have more than two thousand million pictures together: name fewer.");
        }
    }

    public IReadOnlyList<UnitedPart> Parts { get; }

    public int Count => ends[^1];

    public ImageEntry this[int index]
    {
        get
        {
            var (part, own) = Place(index);
            return part.Entry(own);
        }
    }

    /// <summary>The source of a picture, and its index there.</summary>
    public (UnitedPart Part, int Index) Place(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        var run = Array.FindIndex(ends, end => index < end); // a few sources at most
        var (part, begin) = (Parts[run % Parts.Count], run == 0 ? 0 : ends[run - 1]);
        return (part, index - begin + (run < Parts.Count ? 0 : part.TestStart));
    }

    public IEnumerator<ImageEntry> GetEnumerator() => Enumerable.Range(0, Count).Select(index => this[index]).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
