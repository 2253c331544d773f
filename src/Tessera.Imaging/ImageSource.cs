using Tessera.Imaging.Folders;
using Tessera.Imaging.Packing;
using Tessera.Imaging.Shapes;

namespace Tessera.Imaging;

/// <summary>Which pictures exist, how they are labelled and which of them are set aside for testing; and how to read one.</summary>
/// <remarks>A new kind of source derives from this class and gets a line in <see cref="Open"/>.</remarks>
public abstract class ImageSource
{
    /// <param name="kind">What was recognised, for people: <c>flat folder</c>.</param>
    /// <param name="location">Where it lies; for a built-in source, its name.</param>
    /// <param name="classNames">By label; empty when nothing is labelled.</param>
    /// <param name="classTitles">By label; as many as names.</param>
    /// <param name="entries">Training pictures first, then the source's own test split.</param>
    /// <param name="fingerprint">Changes whenever the pictures or labels may have changed.</param>
    protected ImageSource(
        string kind, string location, IReadOnlyList<string> classNames, IReadOnlyList<string> classTitles,
        IReadOnlyList<ImageEntry> entries, string fingerprint)
    {
        if (classNames.Count != classTitles.Count)
            throw new ArgumentException($"There are {classNames.Count} class names and {classTitles.Count} titles.", nameof(classTitles));
        (Kind, Location, ClassNames, ClassTitles, Entries, Fingerprint) = (kind, location, classNames, classTitles, entries, fingerprint);
    }

    /// <summary>
    /// What was recognised, for people: <c>Tiny-ImageNet layout</c>, <c>one folder per class</c>, <c>flat folder</c>, <c>packed
    /// file</c>, <c>shapes</c>.
    /// </summary>
    public string Kind { get; }

    /// <summary>The full path, or the name of a built-in source.</summary>
    public string Location { get; }

    /// <summary>By label: the folder's name or WordNet identifier. Empty when nothing is labelled.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>By label: the name for people, from <c>words.txt</c> where there is one, else the class name.</summary>
    public IReadOnlyList<string> ClassTitles { get; }

    /// <summary>Training pictures first, then the source's own test split.</summary>
    public IReadOnlyList<ImageEntry> Entries { get; }

    /// <summary>
    /// A hash over names, labels, split, sizes and modification times: the same for a copy that kept its times, wherever it lies.
    /// </summary>
    public string Fingerprint { get; }

    /// <summary>The same source by a name that holds from any folder, so that what was begun in one is found from another.</summary>
    /// <param name="source">As for <see cref="Open"/>; it need not exist.</param>
    public static string FullName(string source) =>
        source == ShapesSource.SourceName || source.StartsWith(ShapesSource.SourceName + ":", StringComparison.Ordinal) || !Path.Exists(source)
            ? source : Path.GetFullPath(source);

    /// <summary>Recognises a source string.</summary>
    /// <param name="source">
    /// A folder (Tiny-ImageNet's layout, one folder per class, or flat), a <c>.tessera</c> file, or <c>shapes</c> and
    /// <c>shapes:COUNT</c>, which are drawn by the program (for a folder of that name write <c>./shapes</c>).
    /// </param>
    /// <exception cref="ImageSourceException">There is no such source, it cannot be read, or it holds no pictures.</exception>
    /// <exception cref="PackedFormatException">The <c>.tessera</c> file is cut short, altered or too new.</exception>
    public static ImageSource Open(string source)
    {
        if (string.IsNullOrWhiteSpace(source))
            throw new ImageSourceException("The source is empty: name a folder of pictures, a .tessera file, or shapes.");
        if (ShapesSource.TryParse(source) is { } shapes)
            return shapes;
        if (Directory.Exists(source))
            return FolderLayouts.Open(source, PictureFiles.OfSystem);
        if (!File.Exists(source))
            throw new ImageSourceException(
                $"There is no folder or file {Path.GetFullPath(source)}: name a folder of pictures, a .tessera file, or shapes.");
        if (PackedImages.HasPackedExtension(source))
            return new PackedSource(source);
        throw new ImageSourceException(
            $"{source} is a file, not a source: name the folder that holds the pictures, a .tessera file, or shapes.");
    }

    /// <summary>Reads one picture, resized so that the shortest side covers the shape and cropped from the centre.</summary>
    /// <param name="index">Into <see cref="Entries"/>.</param>
    /// <param name="shape">The shape wanted.</param>
    /// <param name="planar">Receives (C, H, W) bytes; at least <see cref="ImageShape.Pixels"/> long.</param>
    /// <remarks>May be called from many threads at once.</remarks>
    /// <exception cref="BrokenImageException">What the picture holds cannot be decoded: work goes on without it.</exception>
    /// <exception cref="ImageAccessException">Its bytes could not be had: the work ends. An <see cref="IOException"/> is understood as this.</exception>
    public abstract void Read(int index, ImageShape shape, Span<byte> planar);

    /// <summary>Says what one picture is before it is resized, and makes sure that it is sound.</summary>
    /// <param name="index">Into <see cref="Entries"/>.</param>
    /// <remarks>May be called from many threads at once.</remarks>
    /// <exception cref="BrokenImageException">What the picture holds cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its bytes could not be had.</exception>
    public abstract ImageFacts Examine(int index);

    /// <summary>As <see cref="Read"/>, for work on many that goes on without broken ones: whatever the source throws for bytes that it cannot have ends it.</summary>
    /// <exception cref="BrokenImageException">What the picture holds cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its bytes could not be had.</exception>
    internal void ReadSound(int index, ImageShape shape, Span<byte> planar)
    {
        try { Read(index, shape, planar); }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException) { throw ImageAccessException.Of(this, index, error); }
    }

    /// <summary>As <see cref="Examine"/>, in the same way.</summary>
    /// <inheritdoc cref="ReadSound"/>
    internal ImageFacts ExamineSound(int index)
    {
        try { return Examine(index); }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException) { throw ImageAccessException.Of(this, index, error); }
    }
}

/// <summary>One picture that a source has.</summary>
/// <param name="Name">
/// Where it lies inside the source, with <c>/</c> between folders: <c>train/n01443537/images/n01443537_0.JPEG</c>.
/// </param>
/// <param name="Label">Index into <see cref="ImageSource.ClassNames"/>; -1 for a picture without a label.</param>
/// <param name="IsTest">Whether the source itself sets the picture aside for testing.</param>
public readonly record struct ImageEntry(string Name, int Label, bool IsTest);

/// <summary>What a picture is before it is resized.</summary>
/// <param name="Width">In pixels, after any EXIF rotation.</param>
/// <param name="Height">In pixels, after any EXIF rotation.</param>
/// <param name="Channels">1 grey, 3 colour, 4 colour with transparency.</param>
/// <param name="Format">The encoding by its content, not its extension: <c>JPEG</c>, <c>PNG</c>, …; <c>drawn</c> or <c>packed</c>.</param>
public readonly record struct ImageFacts(int Width, int Height, int Channels, string Format);

/// <summary>A source that cannot be used: no such folder, nothing in it, an annotation that makes no sense, every picture broken.</summary>
public sealed class ImageSourceException(string message, Exception? inner = null) : ImagingException(message, inner)
{
    private const int Named = 3;

    /// <summary>Every picture of one side of the split is broken, or there is none.</summary>
    internal static ImageSourceException NothingLeft(string location, string side, int count, IReadOnlyList<BrokenImage> broken)
    {
        if (count == 0)
            return new ImageSourceException($"{location} has test pictures and none to train on.");
        var first = string.Join("; ", broken.Take(Named).Select(image => $"{image.Name} {image.Reason}"));
        return new ImageSourceException(
            $"Not one of the {count} {side} pictures of {location} can be read: {first}{(broken.Count > Named ? "; …" : "")}.");
    }
}
