using System.Collections;
using System.Globalization;
using Tessera.Imaging.Containers;

namespace Tessera.Imaging.Tables;

/// <summary>Pictures in Parquet files, in the layout of Hugging Face's data sets. A row group is read as a whole, and the last few are kept.</summary>
internal sealed class ParquetSource : EncodedSource, IDisposable
{
    /// <summary>Row groups of more bytes are not streamed: for each picture, so much would be read and unpacked.</summary>
    public const long MostStreamed = 1 << 25;

    private readonly ParquetEntries pictures;
    private readonly RowGroupCache groups;

    private ParquetSource(string location, SplitFiles files, ParquetEntries pictures, IReadOnlyList<string> names)
        : base(Called(files, pictures), location, names, names, pictures, Hash(pictures, names)) =>
        (this.pictures, groups) = (pictures, new RowGroupCache(pictures.Groups));

    /// <exception cref="ImageSourceException">A file is damaged or holds no pictures, or two name other classes.</exception>
    public static ParquetSource Open(string location, SplitFiles files, SourceOpening opening)
    {
        var opened = new ParquetFile?[files.All.Count];
        try
        {
            ParallelWork.For(opened.Length, i => opened[i] = new ParquetFile(Path.Join(files.Root, files.All[i]), PictureFiles.OfSystem), opening.Cancellation);
            var pictures = new ParquetEntries(files, opened!);
            if (pictures.Count == 0) throw new ImageSourceException($"{location} holds no pictures: its Parquet files have no rows.");
            return new ParquetSource(location, files, pictures, NamesOf(files, opened!, pictures));
        }
        catch
        {
            foreach (var file in opened) file?.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (var file in pictures.Groups.Select(group => group.File).Distinct()) file.Dispose();
    }

    internal override string? RefusalToStream => pictures.Groups.MaxBy(group => group.Group.Bytes) is { } largest && largest.Group.Bytes > MostStreamed
        ? FormattableString.Invariant($"{Location} has row groups of up to {largest.Group.Bytes / 1e6:N0} MB, and each is read as a whole for any picture in it: pack the pictures, or write tar shards of them, which are read by position.")
        : null;

    protected override EncodedPicture ReadEncoded(int index)
    {
        var (group, row) = pictures.Place(index);
        var bytes = groups.Read(group)[row] ?? throw new BrokenImageException(pictures.Name(group, row), "has no bytes in the file");
        return new EncodedPicture(bytes, bytes.Length, isRented: false);
    }

    private static string Called(SplitFiles files, ParquetEntries pictures) =>
        $"Parquet files, read by row groups of up to {pictures.Groups.Max(group => group.Group.Labels.Length)} pictures{files.Words}";

    private static IReadOnlyList<string> NamesOf(SplitFiles files, ParquetFile[] opened, ParquetEntries pictures)
    {
        var first = opened[0].ClassNames;
        if (opened.Index().FirstOrDefault(file => !file.Item.ClassNames.SequenceEqual(first)) is { Item: not null } other)
            throw new ImageSourceException($"{Path.Join(files.Root, files.All[0])} and {Path.Join(files.Root, files.All[other.Index])} name other classes: they are not of one data set.");
        if (first.Count > 0) return first;
        var largest = pictures.Groups.Max(group => group.Group.Labels.DefaultIfEmpty(-1).Max());
        return [.. Enumerable.Range(0, largest + 1).Select(label => label.ToString(CultureInfo.InvariantCulture))];
    }

    private static string Hash(ParquetEntries pictures, IReadOnlyList<string> names)
    {
        var fingerprint = new SourceFingerprint();
        foreach (var name in names) fingerprint.Append(name);
        foreach (var group in pictures.Groups)
        {
            fingerprint.Append(group.Name);
            fingerprint.Append(group.IsTest ? 1 : 0, group.File.Stamp.Length, group.File.Stamp.Modified, group.FirstRow);
            fingerprint.AppendAll<int>(group.Group.Labels);
        }
        return fingerprint.ToString();
    }
}

/// <summary>A row group among those of all files.</summary>
/// <param name="File">Its file.</param>
/// <param name="Name">The file's name in the source.</param>
/// <param name="Number">Which row group of the file.</param>
/// <param name="FirstRow">Rows of the file before it.</param>
/// <param name="IsTest">Whether the file is of the test split.</param>
/// <param name="Group">What it holds.</param>
internal sealed record PlacedGroup(ParquetFile File, string Name, int Number, int FirstRow, bool IsTest, ParquetGroup Group);

/// <summary>The rows of all files, one after the other; a row's name is its file's and its number there.</summary>
internal sealed class ParquetEntries : IReadOnlyList<ImageEntry>
{
    private readonly int[] ends; // of each group's rows among all

    public ParquetEntries(SplitFiles files, IReadOnlyList<ParquetFile> opened)
    {
        var groups = new List<PlacedGroup>();
        foreach (var (place, file) in opened.Index())
        {
            var row = 0;
            foreach (var (number, group) in file.Groups.Index())
            {
                if (group.Labels.Length > 0) groups.Add(new PlacedGroup(file, files.All[place], number, row, place >= files.Training.Count, group));
                row += group.Labels.Length;
            }
        }
        Groups = groups;
        ends = new int[groups.Count];
        for (var i = 0; i < ends.Length; i++) ends[i] = (i == 0 ? 0 : ends[i - 1]) + groups[i].Group.Labels.Length;
    }

    public IReadOnlyList<PlacedGroup> Groups { get; }

    public int Count => ends is [.., var last] ? last : 0;

    public ImageEntry this[int index]
    {
        get
        {
            var (group, row) = Place(index);
            return new ImageEntry(Name(group, row), Groups[group].Group.Labels[row], Groups[group].IsTest);
        }
    }

    public string Name(int group, int row) => $"{Groups[group].Name}/{Groups[group].FirstRow + row:D6}";

    /// <summary>The row group of a picture, and its row there.</summary>
    public (int Group, int Row) Place(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        var group = Array.BinarySearch(ends, index + 1);
        if (group < 0) group = ~group;
        return (group, index - (group == 0 ? 0 : ends[group - 1]));
    }

    public IEnumerator<ImageEntry> GetEnumerator() => Enumerable.Range(0, Count).Select(index => this[index]).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>The row groups that were read last. One thread reads a group, and others that want it too wait for it.</summary>
internal sealed class RowGroupCache(IReadOnlyList<PlacedGroup> groups)
{
    private const long Budget = 1 << 28;

    private readonly Lock gate = new();
    private readonly LinkedList<(int Group, Lazy<byte[]?[]> Pictures)> kept = new(); // the one that was wanted last stands first

    /// <exception cref="ImageAccessException">It cannot be read.</exception>
    public byte[]?[] Read(int group)
    {
        var pictures = Wanted(group);
        try
        {
            return pictures.Value;
        }
        catch
        {
            lock (gate) kept.Remove((group, pictures)); // what failed is tried again by whoever wants it next
            throw;
        }
    }

    private Lazy<byte[]?[]> Wanted(int group)
    {
        lock (gate)
        {
            var node = kept.First;
            while (node is not null && node.Value.Group != group) node = node.Next;
            if (node is not null)
            {
                kept.Remove(node);
                kept.AddFirst(node);
                return node.Value.Pictures;
            }
            var pictures = new Lazy<byte[]?[]>(() => groups[group].File.Read(groups[group].Number));
            kept.AddFirst((group, pictures));
            Trim();
            return pictures;
        }
    }

    /// <summary>Down to what the budget holds, yet one for each core, and one more: so that none is dropped which a core is at.</summary>
    private void Trim()
    {
        var bytes = kept.Sum(one => groups[one.Group].Group.Bytes);
        while (bytes > Budget && kept.Count > Environment.ProcessorCount + 1)
        {
            bytes -= groups[kept.Last!.Value.Group].Group.Bytes;
            kept.RemoveLast();
        }
    }
}
