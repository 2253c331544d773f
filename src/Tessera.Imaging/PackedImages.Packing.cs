using System.IO.Hashing;
using System.Text;
using Tessera.Imaging.Packing;

namespace Tessera.Imaging;

public sealed partial class PackedImages
{
    private const string Extension = ".tessera";

    /// <summary>Maps a packed file, after its header and checksums were verified.</summary>
    /// <param name="file">A path.</param>
    /// <exception cref="PackedFormatException">
    /// It cannot be read, is no packed file, is cut short, altered, or written by a newer version.
    /// </exception>
    public static PackedImages Open(string file) => new(Path.GetFullPath(file), wasReused: true);

    /// <summary>Decodes a source on all cores into a packed file, and opens it.</summary>
    /// <param name="source">Where the pictures come from.</param>
    /// <param name="shape">What they become.</param>
    /// <param name="file">The file to write; one that is there is replaced, at once and only when the new one is whole.</param>
    /// <param name="progress">Told as it goes, from several threads, one at a time.</param>
    /// <param name="cancellation">Stops packing and leaves nothing behind.</param>
    /// <exception cref="ImageSourceException">Not one training picture can be read.</exception>
    /// <exception cref="ImageAccessException">A picture's bytes could not be had; nothing is left behind.</exception>
    /// <exception cref="PackingException">The file cannot be written.</exception>
    public static PackedImages Pack(
        ImageSource source, ImageShape shape, string file, IProgress<PackProgress>? progress = null, CancellationToken cancellation = default)
    {
        file = Path.GetFullPath(file);
        PackedWriter.Write(source, shape, file, progress, cancellation);
        return new PackedImages(file, wasReused: false);
    }

    /// <summary>
    /// Opens what was packed from a source before; packs it where there is nothing yet, the source has changed, or the file is
    /// damaged. Of several processes that do so at once, one packs and the others wait for it.
    /// </summary>
    /// <param name="source">
    /// Any source string, see <see cref="ImageSource.Open(string)"/>. A packed file of this shape is opened where it lies; one of another
    /// shape is resized.
    /// </param>
    /// <param name="shape">The shape wanted.</param>
    /// <param name="cacheFolder">Where packed files are kept; made if need be.</param>
    /// <param name="progress">Told as it goes, from several threads, one at a time.</param>
    /// <param name="cancellation">Stops packing and leaves nothing behind.</param>
    /// <exception cref="ImageSourceException">There is no such source, it holds no pictures, or not one can be read.</exception>
    /// <exception cref="PackedFormatException">The source is a packed file that cannot be used.</exception>
    /// <exception cref="ImageAccessException">A picture's bytes could not be had; nothing is left behind.</exception>
    /// <exception cref="PackingException">The packed file cannot be written.</exception>
    public static PackedImages OpenOrPack(
        string source, ImageShape shape, string cacheFolder, IProgress<PackProgress>? progress = null, CancellationToken cancellation = default)
    {
        var opened = ImageSource.Open(source, cacheFolder, progress, cancellation);
        if (Of(opened, shape) is { } packed)
            return packed;
        using var release = opened as IDisposable;
        return OpenOrPack(opened, shape, cacheFolder, progress, cancellation);
    }

    /// <summary>The same of a source that is open and no packed file of this shape.</summary>
    internal static PackedImages OpenOrPack(
        ImageSource source, ImageShape shape, string cacheFolder, IProgress<PackProgress>? progress, CancellationToken cancellation)
    {
        var file = CacheFile(source, shape, cacheFolder);
        if (TryReuse(source, shape, file) is { } packed)
        {
            ProcessLock.Clear(LockFile(file)); // of a process that was killed between the file's name and the lock's end
            return packed;
        }
        using var ours = LockOf(file, () => progress?.Report(new PackProgress(0, source.Entries.Count, 0) { Stage = PackStage.Waiting }), cancellation);
        return TryReuse(source, shape, file) ?? Pack(source, shape, file, progress, cancellation); // what another process made while this one waited
    }

    private static FileStream LockOf(string file, Action waiting, CancellationToken cancellation)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            return ProcessLock.Take(LockFile(file), waiting, cancellation);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new PackingException($"{file} cannot be written ({error.Message.TrimEnd('.')}): choose a folder that is writable.", error);
        }
    }

    private static string LockFile(string file) => file + ".lock";

    internal static bool HasPackedExtension(string file) => file.EndsWith(Extension, StringComparison.OrdinalIgnoreCase);

    /// <summary>The pictures of a source that is a packed file of this shape; null for any other.</summary>
    internal static PackedImages? Of(ImageSource source, ImageShape shape) =>
        source is PackedSource packed && packed.Shape == shape ? packed.Images : null;

    private static PackedImages? TryReuse(ImageSource source, ImageShape shape, string file)
    {
        if (!System.IO.File.Exists(file))
            return null;
        PackedImages images;
        try { images = Open(file); }
        catch (PackedFormatException) { return null; } // the cache is ours: what is damaged is made anew
        if (images.Fingerprint == source.Fingerprint && images.Shape == shape && ImageDecoder.Agrees(images.catalogue.DecoderRevision, images.Broken.Count > 0))
            return images;
        images.Dispose();
        return null;
    }

    /// <summary>A name for people, a hash so that folders of one name do not collide, and the shape.</summary>
    private static string CacheFile(ImageSource source, ImageShape shape, string cacheFolder)
    {
        var name = Path.GetFileNameWithoutExtension(source.Location.AsSpan()).ToString();
        var readable = string.Concat(name.Select(character => char.IsAsciiLetterOrDigit(character) || character is '-' or '_' ? character : '-'));
        var hash = Convert.ToHexStringLower(XxHash32.Hash(Encoding.UTF8.GetBytes(source.Location)));
        return Path.Join(Path.GetFullPath(cacheFolder), $"{readable}-{hash}-{shape.Channels}x{shape.Height}x{shape.Width}{Extension}");
    }
}

/// <summary>How far packing or inspecting has come.</summary>
/// <param name="Done">Pictures read, broken ones among them.</param>
/// <param name="Total">Pictures in the source.</param>
/// <param name="Broken">Pictures left out so far.</param>
public sealed record PackProgress(int Done, int Total, int Broken)
{
    /// <summary>What is being done; the counts are of shards while these are indexed.</summary>
    public PackStage Stage { get; init; }
}

/// <summary>The steps of opening pictures.</summary>
public enum PackStage
{
    /// <summary>Pictures are read.</summary>
    Reading,

    /// <summary>Tar shards are looked through, once, for where their pictures lie.</summary>
    Indexing,

    /// <summary>Another process packs the same pictures: this one takes what that makes.</summary>
    Waiting,
}

/// <summary>A packed file could not be written: the folder is not writable, the disk is full, another process is at it.</summary>
public sealed class PackingException(string message, Exception? inner = null) : ImagingException(message, inner);
