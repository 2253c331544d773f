using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Tessera.Imaging.Containers;

/// <summary>CIFAR-10 and CIFAR-100 as their publisher packs them for C: records of labels and 3 × 32 × 32 pixels, (C, H, W).</summary>
/// <remarks>
/// Krizhevsky 2009, <c>https://www.cs.toronto.edu/~kriz/cifar.html</c>, "binary version". CIFAR-10: <c>data_batch_1.bin</c> to <c>_5</c>, <c>test_batch.bin</c>,
/// a byte of label, class names in <c>batches.meta.txt</c>. CIFAR-100: <c>train.bin</c>, <c>test.bin</c>, a byte of superclass, which is not read, and one of class, names
/// in <c>fine_label_names.txt</c>. The test file is the test split.
/// </remarks>
internal sealed class CifarSource : ImageSource, IDisposable
{
    private static readonly ImageShape Stored = new(3, 32, 32);

    private readonly CifarLayout layout;
    private readonly (int File, int Record)[] places;
    private readonly FileParts parts;

    private CifarSource(CifarLayout layout, string root, IReadOnlyList<string> names, List<string> files, List<FileStamp> listed, List<ImageEntry> entries, (int, int)[] places, string fingerprint)
        : base(layout.Kind, root, names, names, entries, fingerprint) =>
        (this.layout, this.places, parts) = (layout, places, new FileParts(files, listed, PictureFiles.OfSystem));

    /// <summary>The source that a folder holds; null where it holds neither layout.</summary>
    /// <exception cref="ImageSourceException">A file is no whole number of records, a label has no name, or the names are missing.</exception>
    public static CifarSource? In(string root) => CifarLayout.All.FirstOrDefault(layout => layout.Files(root).Any()) is { } layout ? List(layout, root) : null;

    public override void Read(int index, ImageShape shape, Span<byte> planar)
    {
        var (file, record) = places[index];
        using var pixels = parts.Read(file, (long)record * layout.RecordBytes + layout.LabelBytes, Stored.Pixels);
        Resampling.CoverAndCrop(pixels.Bytes, Stored, shape, planar);
    }

    public override ImageFacts Examine(int index)
    {
        Read(index, Stored, stackalloc byte[Stored.Pixels]);
        return new ImageFacts(Stored.Width, Stored.Height, Stored.Channels, "pixels");
    }

    public void Dispose() => parts.Dispose();

    private static CifarSource List(CifarLayout layout, string root)
    {
        var names = layout.ReadNames(root);
        var (files, listed, entries, places) = (new List<string>(), new List<FileStamp>(), new List<ImageEntry>(), new List<(int, int)>());
        var fingerprint = new SourceFingerprint();
        foreach (var name in names) fingerprint.Append(name);
        foreach (var name in layout.Files(root))
        {
            var path = Path.Join(root, name);
            var (labels, stamp) = ReadLabels(layout, path, names.Count);
            entries.AddRange(labels.Select((label, record) => new ImageEntry($"{name}/{record:D5}", label, name == layout.TestFile)));
            places.AddRange(Enumerable.Range(0, labels.Length).Select(record => (files.Count, record)));
            fingerprint.Append(stamp.Length, stamp.Modified);
            fingerprint.Append(name);
            fingerprint.AppendAll<byte>(labels);
            files.Add(path);
            listed.Add(stamp);
        }
        return new CifarSource(layout, root, names, files, listed, entries, [.. places], fingerprint.ToString());
    }

    private static (byte[] Labels, FileStamp Stamp) ReadLabels(CifarLayout layout, string path, int classes)
    {
        if (new FileInfo(path).Length == 0) throw new ImageSourceException($"{path} is empty, or no file at all: get it anew, or move it away.");
        using var file = OpenFile(path);
        var stamp = FileStamp.Of(file);
        var length = stamp.Length;
        if (length % layout.RecordBytes != 0)
        {
            throw new ImageSourceException(
                $"{path} has {length} bytes, which is no multiple of the {layout.RecordBytes} that a picture takes in {layout.Kind}: it is cut short or something else; get it anew.");
        }
        var labels = new byte[length / layout.RecordBytes];
        for (var record = 0; record < labels.Length; record++)
        {
            RandomAccess.Read(file, labels.AsSpan(record, 1), (long)record * layout.RecordBytes + layout.LabelBytes - 1);
            if (labels[record] >= classes)
                throw new ImageSourceException($"{path}, picture {record}: its label is {labels[record]}, and {layout.NamesFile} names {classes} classes, 0 to {classes - 1}.");
        }
        return (labels, stamp);
    }

    private static SafeFileHandle OpenFile(string path) => File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
}

/// <summary>What is different between the two data sets.</summary>
/// <param name="Kind">For people.</param>
/// <param name="TrainingFiles">In their order.</param>
/// <param name="TestFile">The test split.</param>
/// <param name="NamesFile">A class a line.</param>
/// <param name="LabelBytes">Before the pixels; the last of them is the label.</param>
internal sealed record CifarLayout(string Kind, IReadOnlyList<string> TrainingFiles, string TestFile, string NamesFile, int LabelBytes)
{
    private const int MostClasses = 256; // a label is a byte

    public static IReadOnlyList<CifarLayout> All { get; } =
    [
        new("CIFAR-10 binary", ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"], "test_batch.bin", "batches.meta.txt", 1),
        new("CIFAR-100 binary", ["train.bin"], "test.bin", "fine_label_names.txt", 2),
    ];

    public int RecordBytes => LabelBytes + 3 * 32 * 32;

    /// <summary>Those that are there, the test file last.</summary>
    public IEnumerable<string> Files(string root) => TrainingFiles.Append(TestFile).Where(file => File.Exists(Path.Join(root, file)));

    /// <exception cref="ImageSourceException">They are missing or make no sense.</exception>
    public List<string> ReadNames(string root)
    {
        var path = Path.Join(root, NamesFile);
        if (!File.Exists(path)) throw new ImageSourceException($"{path} is not there, which names the classes of {Kind}: put it back.");
        var names = File.ReadLines(path, Encoding.UTF8).Select(line => line.Trim()).Where(line => line.Length > 0).Take(MostClasses + 1).ToList();
        if (names.Count is 0 or > MostClasses) throw new ImageSourceException($"{path} names {(names.Count == 0 ? "no class" : $"more than {MostClasses} classes")}: a label is a byte.");
        return names.GroupBy(name => name).FirstOrDefault(same => same.Count() > 1) is { } twice
            ? throw new ImageSourceException($"{path} names the class {twice.Key} twice.") : names;
    }
}
