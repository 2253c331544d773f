using Tessera.Imaging.Containers;
using Tessera.Imaging.Folders;
using Tessera.Imaging.Packing;
using Tessera.Imaging.Shapes;

namespace Tessera.Imaging;

/// <summary>Which pictures exist, how they are labelled and which of them are set aside for testing; and how to read one.</summary>
/// <remarks>A new kind of source derives from this class and gets a line in <see cref="Open(string)"/>.</remarks>
public abstract class ImageSource
{
    private const string Sources = "a folder of pictures, a .tessera file, tar shards, Parquet files, or shapes";

    /// <summary>What stands between the sources in a string that names several.</summary>
    internal const string Separator = " + ";

    private int? testStart;

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
    /// file</c>, <c>WebDataset shards, test split val</c>, <c>CIFAR-10 binary</c>, <c>shapes</c>.
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

    /// <summary>The first of the source's own test split; as many as there are pictures where it has none.</summary>
    internal int TestStart => testStart ??= Entries.TakeWhile(entry => !entry.IsTest).Count();

    /// <summary>Why its pictures cannot be had one by one in any order, as a sentence; null: they can.</summary>
    internal virtual string? RefusalToStream => null;

    /// <summary>The same source by a name that holds from any folder, so that what was begun in one is found from another.</summary>
    /// <param name="source">As for <see cref="Open(string)"/>; it need not exist.</param>
    public static string FullName(string source) => Join(UnitedSource.Split(source).Select(part =>
        part == ShapesSource.SourceName || part.StartsWith(ShapesSource.SourceName + ":", StringComparison.Ordinal) || !(Path.Exists(part) || FilePatterns.IsPattern(part))
            ? part : Path.GetFullPath(part)));

    /// <summary>One string that names several sources, which <see cref="Open(string)"/> makes one set of.</summary>
    public static string Join(IEnumerable<string> sources) => string.Join(Separator, sources);

    /// <summary>Recognises a source string.</summary>
    /// <param name="source">
    /// A folder (Tiny-ImageNet's layout, one folder per class, or flat), a <c>.tessera</c> file, WebDataset shards or Parquet files (a file, a folder of them, or a
    /// pattern such as <c>shards/{0000..0127}.tar</c>), a folder of CIFAR's binary files, or <c>shapes</c> and <c>shapes:COUNT</c>, which are drawn by the program (for
    /// a folder of that name write <c>./shapes</c>). Several, with <c> + </c> between them, are one set: see <see cref="Join"/>; among them
    /// shards, or Parquet files, that are named one by one are one source, as their folder is.
    /// </param>
    /// <exception cref="ImageSourceException">There is no such source, it cannot be read, or it holds no pictures.</exception>
    /// <exception cref="PackedFormatException">The <c>.tessera</c> file is cut short, altered or too new.</exception>
    public static ImageSource Open(string source) => Open(source, cacheFolder: null, progress: null, CancellationToken.None);

    /// <summary>The same, where looking through shards may take a while.</summary>
    /// <param name="source">The same.</param>
    /// <param name="cacheFolder">Where an index of shards is kept that cannot be written beside them; null: it is made each time then.</param>
    /// <param name="progress">Told while shards are indexed, from several threads, one at a time.</param>
    /// <param name="cancellation">Stops that.</param>
    /// <exception cref="ImageSourceException">There is no such source, it cannot be read, or it holds no pictures.</exception>
    /// <exception cref="PackedFormatException">The <c>.tessera</c> file is cut short, altered or too new.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static ImageSource Open(string source, string? cacheFolder, IProgress<PackProgress>? progress, CancellationToken cancellation = default)
    {
        if (string.IsNullOrWhiteSpace(source))
            throw new ImageSourceException($"The source is empty: name {Sources}.");
        var opening = new SourceOpening(cacheFolder, progress, cancellation);
        if (UnitedSource.Split(source) is not { Count: > 1 } parts)
            return OpenOne([source], opening);
        var opened = new List<ImageSource>();
        try
        {
            foreach (var part in UnitedSource.Grouped(parts)) opened.Add(OpenOne(part, opening));
        }
        catch
        {
            foreach (var one in opened) (one as IDisposable)?.Dispose();
            throw;
        }
        return opened is [var only] ? only : UnitedSource.Of(opened);
    }

    private static ImageSource OpenOne(IReadOnlyList<string> parts, SourceOpening opening)
    {
        var source = Join(parts);
        try
        {
            return parts.Count > 1 ? ContainerFiles.Of(parts, opening) : Recognise(source, opening);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new ImageSourceException($"{source} cannot be read: {error.Message.TrimEnd('.')}.", error);
        }
    }

    private static ImageSource Recognise(string source, SourceOpening opening)
    {
        if (ShapesSource.TryParse(source) is { } shapes)
            return shapes;
        if (Directory.Exists(source))
            return FolderLayouts.Open(source, PictureFiles.OfSystem, opening);
        if (!File.Exists(source))
        {
            return FilePatterns.IsPattern(source)
                ? ContainerFiles.Of(Path.GetFullPath(source), FilePatterns.Root(source), FilePatterns.Files(source), opening)
                : throw new ImageSourceException($"There is no folder or file {Path.GetFullPath(source)}: name {Sources}.");
        }
        if (PackedImages.HasPackedExtension(source))
            return new PackedSource(source);
        var file = Path.GetFullPath(source);
        if (ContainerFiles.IsContainer(file))
            return ContainerFiles.Of(file, Path.GetDirectoryName(file)!, [file], opening);
        throw new ImageSourceException($"{source} is a file, not a source: name {Sources}.");
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

    /// <summary>One picture as it was encoded, for who passes it on; null where the source has pixels alone.</summary>
    /// <exception cref="BrokenImageException">There are no bytes that could be a picture's.</exception>
    /// <exception cref="ImageAccessException">Its bytes could not be had.</exception>
    internal virtual EncodedPicture? Encoded(int index) => null;

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
