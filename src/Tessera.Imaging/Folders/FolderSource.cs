namespace Tessera.Imaging.Folders;

/// <summary>Pictures that are files below one folder, whatever its layout.</summary>
internal sealed class FolderSource(
    string kind, string root, IReadOnlyList<string> classNames, IReadOnlyList<string> classTitles, IReadOnlyList<ImageEntry> entries, string fingerprint)
    : ImageSource(kind, root, classNames, classTitles, entries, fingerprint)
{
    public override void Read(int index, ImageShape shape, Span<byte> planar) =>
        ImageDecoder.Decode(PathOf(index), Entries[index].Name, shape, planar);

    public override ImageFacts Examine(int index) => ImageDecoder.Examine(PathOf(index), Entries[index].Name);

    private string PathOf(int index) => Path.Join(Location, Entries[index].Name);
}
