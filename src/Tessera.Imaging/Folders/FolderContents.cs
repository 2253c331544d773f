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
        var listed = new FileStamp[entries.Length];
        var fingerprint = new SourceFingerprint();
        foreach (var text in classNames.Concat(classTitles))
            fingerprint.Append(text);
        for (var i = 0; i < entries.Length; i++)
        {
            var isTest = i >= training.Count;
            var (picture, label) = isTest ? test[i - training.Count] : training[i];
            entries[i] = new ImageEntry(picture.Name, label, isTest);
            fingerprint.Append(picture.Name);
            fingerprint.Append(label, isTest ? 1 : 0, picture.Stamp.Length, picture.Stamp.Modified);
            listed[i] = picture.Stamp;
        }
        return new FolderSource(kind, root, classNames, classTitles, entries, fingerprint.ToString(), listed, files);
    }
}

/// <summary>Pictures that are files below one folder, whatever its layout.</summary>
internal sealed class FolderSource(
    string kind, string root, IReadOnlyList<string> classNames, IReadOnlyList<string> classTitles, IReadOnlyList<ImageEntry> entries, string fingerprint,
    FileStamp[] listed, PictureFiles files)
    : EncodedSource(kind, root, classNames, classTitles, entries, fingerprint)
{
    protected override EncodedPicture ReadEncoded(int index) => files.Read(Path.Join(Location, Entries[index].Name), Entries[index].Name, listed[index]);
}
