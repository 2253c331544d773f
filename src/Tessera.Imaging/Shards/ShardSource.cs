using System.Collections;
using System.Globalization;
using Tessera.Imaging.Containers;

namespace Tessera.Imaging.Shards;

/// <summary>WebDataset shards: pictures that are members of tar files, read by their position.</summary>
internal sealed class ShardSource : EncodedSource, IDisposable
{
    private readonly ShardEntries pictures;
    private readonly FileParts parts;

    private ShardSource(string location, SplitFiles files, ShardEntries pictures, ShardClasses classes)
        : base($"WebDataset shards{files.Words}", location, classes.Names, classes.Titles, pictures, Hash(pictures, classes))
    {
        this.pictures = pictures;
        parts = new FileParts([.. files.All.Select(name => Path.Join(files.Root, name))], [.. pictures.Shards.Select(shard => new FileStamp(shard.Length, shard.Modified))], PictureFiles.OfSystem);
    }

    /// <exception cref="ImageSourceException">A shard is missing, cut short or compressed, a label makes no sense, or there is no picture.</exception>
    public static ShardSource Open(string location, SplitFiles files, SourceOpening opening)
    {
        var shards = ShardIndexing.List(files, opening);
        if (shards.All(shard => shard.Count == 0))
        {
            throw new ImageSourceException(
                $"{location}: {(shards.Count == 1 ? "the shard has" : $"the {shards.Count} shards have")} no member that ends as pictures do ({Folders.PictureFolder.ExtensionList}): name those that hold pictures.");
        }
        var classes = ShardClasses.Of(shards, files.Root);
        return new ShardSource(location, files, new ShardEntries(shards, files.Training.Count, classes), classes);
    }

    public void Dispose() => parts.Dispose();

    protected override EncodedPicture ReadEncoded(int index)
    {
        var (shard, picture) = pictures.Place(index);
        return parts.Read(shard, pictures.Shards[shard].Offsets[picture], pictures.Shards[shard].Sizes[picture]);
    }

    private static string Hash(ShardEntries pictures, ShardClasses classes)
    {
        var fingerprint = new SourceFingerprint();
        foreach (var text in classes.Names.Concat(classes.Titles)) fingerprint.Append(text);
        foreach (var (number, shard) in pictures.Shards.Index())
        {
            fingerprint.Append(shard.Name);
            fingerprint.Append(number < pictures.TrainingShards ? 0 : 1, shard.Length, shard.Modified, shard.Count);
            foreach (var word in shard.Words) fingerprint.Append(word);
            fingerprint.AppendAll<long>(shard.Offsets);
            fingerprint.AppendAll<int>(shard.Sizes);
            fingerprint.AppendAll<int>(shard.Labels);
            fingerprint.AppendAll<int>(shard.NameEnds);
            fingerprint.AppendAll<byte>(shard.Names);
        }
        return fingerprint.ToString();
    }
}

/// <summary>The pictures of all shards, one after the other; a name is made of the index's bytes when it is asked for.</summary>
internal sealed class ShardEntries : IReadOnlyList<ImageEntry>
{
    private readonly ShardClasses classes;
    private readonly int[] ends; // of each shard's pictures among all

    public ShardEntries(IReadOnlyList<TarShard> shards, int trainingShards, ShardClasses classes)
    {
        (Shards, TrainingShards, this.classes) = (shards, trainingShards, classes);
        ends = new int[shards.Count];
        for (var i = 0; i < ends.Length; i++) ends[i] = (i == 0 ? 0 : ends[i - 1]) + shards[i].Count;
    }

    public IReadOnlyList<TarShard> Shards { get; }

    /// <summary>The first of them; the others are the test split.</summary>
    public int TrainingShards { get; }

    public int Count => ends[^1];

    public ImageEntry this[int index]
    {
        get
        {
            var (shard, picture) = Place(index);
            return new ImageEntry(Shards[shard].PictureName(picture), classes.LabelOf(shard, Shards[shard].Labels[picture]), shard >= TrainingShards);
        }
    }

    /// <summary>The shard of a picture, and which of its pictures it is.</summary>
    public (int Shard, int Picture) Place(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        var shard = Array.BinarySearch(ends, index + 1);
        if (shard < 0) shard = ~shard;
        else while (shard > 0 && ends[shard - 1] == ends[shard]) shard--; // shards without pictures end where the one before does
        return (shard, index - (shard == 0 ? 0 : ends[shard - 1]));
    }

    public IEnumerator<ImageEntry> GetEnumerator() => Enumerable.Range(0, Count).Select(index => this[index]).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>The classes of a set of shards: those that <c>classes.txt</c> lists; else those that labels name; else as many numbers as there are labels.</summary>
internal sealed class ShardClasses
{
    private const string FileName = "classes.txt";

    private readonly int[]?[] labelsOfWords; // by shard and word

    private ShardClasses(List<string> names, List<string> titles, int[]?[] labelsOfWords) => (Names, Titles, this.labelsOfWords) = (names, titles, labelsOfWords);

    public List<string> Names { get; }

    public List<string> Titles { get; }

    public int LabelOf(int shard, int stored) => stored >= TarShard.NoLabel ? stored : labelsOfWords[shard]![-2 - stored];

    /// <exception cref="ImageSourceException">A label is none of those that are listed, or some are numbers and others names.</exception>
    public static ShardClasses Of(IReadOnlyList<TarShard> shards, string root)
    {
        var words = shards.SelectMany(shard => shard.Words).Distinct().Order(StringComparer.Ordinal).ToList();
        var largest = shards.Max(shard => shard.Count == 0 ? -1 : shard.Labels.Max());
        if (words.Count > 0 && largest >= 0) throw Mixed(shards, words[0]);
        var (names, titles) = Listed(root) ?? Named(words.Count > 0 ? words : [.. Enumerable.Range(0, largest + 1).Select(label => label.ToString(CultureInfo.InvariantCulture))]);
        var numbers = names.Index().ToDictionary(name => name.Item, name => name.Index);
        var file = Path.Join(root, FileName);
        if (largest >= names.Count)
        {
            var shard = shards.First(shard => shard.Count > 0 && shard.Labels.Max() >= names.Count);
            var picture = Array.FindIndex(shard.Labels, label => label >= names.Count);
            throw new ImageSourceException($"{file} names {names.Count} classes, and {shard.PictureName(picture)} has the label {shard.Labels[picture]}: add its line, or correct the label.");
        }
        if (words.Find(word => !numbers.ContainsKey(word)) is { } missing) throw new ImageSourceException($"{file} does not list the class {missing}, which a label names: add a line to it.");
        return new ShardClasses(names, titles, [.. shards.Select(shard => shard.Words.Length == 0 ? null : Array.ConvertAll(shard.Words, word => numbers[word]))]);
    }

    /// <summary>Where the list lies beside shards.</summary>
    public static string FileIn(string folder) => Path.Join(folder, FileName);

    /// <summary>Writes the list.</summary>
    public static void Write(string file, IReadOnlyList<string> names, IReadOnlyList<string> titles) => WholeFile.Write(
        file, string.Concat(names.Zip(titles, (name, title) => (name == title ? name : $"{name}\t{title}") + "\n")));

    private static (List<string>, List<string>) Named(List<string> names) => (names, names);

    /// <summary>A class a line, by label; after a tab its title.</summary>
    private static (List<string> Names, List<string> Titles)? Listed(string root)
    {
        var file = Path.Join(root, FileName);
        if (!File.Exists(file)) return null;
        var (names, titles, seen) = (new List<string>(), new List<string>(), new HashSet<string>());
        foreach (var (number, line) in File.ReadLines(file).Index())
        {
            if (line.Split('\t', 2, StringSplitOptions.TrimEntries) is not [{ Length: > 0 } name, .. var rest]) throw new ImageSourceException($"{file}, line {number + 1}: a class's name is expected.");
            if (!seen.Add(name)) throw new ImageSourceException($"{file}, line {number + 1}: the class {name} is listed twice.");
            names.Add(name);
            titles.Add(rest is [{ Length: > 0 } title] ? title : name);
        }
        return (names, titles);
    }

    private static ImageSourceException Mixed(IReadOnlyList<TarShard> shards, string word)
    {
        var shard = shards.First(shard => shard.Count > 0 && shard.Labels.Max() >= 0);
        return new ImageSourceException(
            $"{shard.PictureName(Array.FindIndex(shard.Labels, label => label >= 0))} has a number for its label and others have names, such as {word}: write all in one way.");
    }
}
