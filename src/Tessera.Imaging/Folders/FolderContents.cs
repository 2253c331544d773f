using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace Tessera.Imaging.Folders;

/// <summary>Collects what a layout finds in a folder, and hashes it on the way.</summary>
internal sealed class FolderContents(string kind, string root)
{
    private readonly List<(FoundPicture Picture, int Label)> training = [];
    private readonly List<(FoundPicture Picture, int Label)> test = [];
    private List<string> classNames = [];
    private List<string> classTitles = [];

    public string Kind => kind;

    public string Root => root;

    public bool IsEmpty => training.Count + test.Count == 0;

    public void SetClasses(List<string> names, List<string> titles) => (classNames, classTitles) = (names, titles);

    public void AddTraining(IEnumerable<FoundPicture> pictures, int label) => training.AddRange(pictures.Select(picture => (picture, label)));

    public void AddTest(IEnumerable<FoundPicture> pictures, int label) => test.AddRange(pictures.Select(picture => (picture, label)));

    /// <param name="files">Reads the pictures.</param>
    public FolderSource ToSource(PictureFiles files)
    {
        var entries = new ImageEntry[training.Count + test.Count];
        var hash = new XxHash128();
        foreach (var text in classNames.Concat(classTitles))
            Append(hash, text);
        for (var i = 0; i < entries.Length; i++)
        {
            var isTest = i >= training.Count;
            var (picture, label) = isTest ? test[i - training.Count] : training[i];
            entries[i] = new ImageEntry(picture.Name, label, isTest);
            Append(hash, picture.Name);
            Append(hash, label, isTest ? 1 : 0, picture.Size, picture.Modified);
        }
        return new FolderSource(kind, root, classNames, classTitles, entries, Convert.ToHexStringLower(hash.GetCurrentHash()), files);
    }

    private static void Append(XxHash128 hash, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Append(hash, bytes.Length); // its length first, so that "ab" + "c" differs from "a" + "bc"
        hash.Append(bytes);
    }

    private static void Append(XxHash128 hash, params ReadOnlySpan<long> numbers)
    {
        Span<byte> bytes = stackalloc byte[8];
        foreach (var number in numbers)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
            hash.Append(bytes);
        }
    }
}

/// <summary>Pictures that are files below one folder, whatever its layout.</summary>
internal sealed class FolderSource(
    string kind, string root, IReadOnlyList<string> classNames, IReadOnlyList<string> classTitles, IReadOnlyList<ImageEntry> entries, string fingerprint,
    PictureFiles files)
    : ImageSource(kind, root, classNames, classTitles, entries, fingerprint)
{
    public override void Read(int index, ImageShape shape, Span<byte> planar) =>
        ImageDecoder.Decode(PathOf(index), Entries[index].Name, shape, planar, files);

    public override ImageFacts Examine(int index) => ImageDecoder.Examine(PathOf(index), Entries[index].Name, files);

    private string PathOf(int index) => Path.Join(Location, Entries[index].Name);
}
