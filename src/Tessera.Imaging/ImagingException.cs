namespace Tessera.Imaging;

/// <summary>Something a user can mend: the message is one sentence that says what is wrong, where, and what to do.</summary>
public abstract class ImagingException : Exception
{
    private protected ImagingException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}

/// <summary>What one picture holds cannot be decoded. Packing and inspection count it, name it and go on without it.</summary>
/// <remarks>A picture whose bytes could not be had is another matter: <see cref="ImageAccessException"/>.</remarks>
public sealed class BrokenImageException(string name, string reason, Exception? inner = null)
    : ImagingException($"{name} {reason}.", inner)
{
    /// <summary>The picture's name in its source, or the file's path.</summary>
    public string Name { get; } = name;

    /// <summary>Why it cannot be decoded, as the end of a sentence that begins with the name.</summary>
    public string Reason { get; } = reason;

    /// <summary>The same, without the exception.</summary>
    public BrokenImage ToBrokenImage() => new(Name, Reason);
}

/// <summary>
/// A picture's bytes could not be had: its file is gone, may not be read or has changed since it was listed, or the disk or network failed in every try. That says
/// nothing of the picture, so packing, inspecting and training end here, leave nothing out, and take nothing for what it was not.
/// </summary>
public sealed class ImageAccessException(string name, string reason, Exception? inner = null)
    : ImagingException($"{name} {reason}.", inner)
{
    /// <summary>The file's path; where the source is none of files, the source's and the picture's name.</summary>
    public string Name { get; } = name;

    /// <summary>Why its bytes could not be had and what to do, as the end of a sentence that begins with the name.</summary>
    public string Reason { get; } = reason;

    /// <summary>A file was written to or replaced since its pictures were listed: what it holds now would pass for what it held.</summary>
    internal static ImageAccessException Changed(string file, Exception? error = null) =>
        new(file, "has changed since its pictures were listed: begin again, so that they are listed anew", error);

    /// <summary>What the system said of a file, as a sentence for people.</summary>
    internal static ImageAccessException Of(string file, int tries, Exception error) => new(file, error switch
    {
        FileNotFoundException or DirectoryNotFoundException or DriveNotFoundException => new FileInfo(file).LinkTarget is { } target
            ? $"is a link to {target}, which is not there: put that back, or remove the link"
            : "is not there: put it back, or begin again, so that the pictures are listed anew",
        UnauthorizedAccessException => "may not be read: change its permissions, or move it away",
        PathTooLongException => "has a path that is too long for the system: move it up",
        _ => $"could not be read in {tries} tries ({error.Message.TrimEnd('.')}): see to the disk or the network that it lies on, then begin again",
    }, error);

    /// <summary>The same of a picture in a source of any kind, which said it itself.</summary>
    internal static ImageAccessException Of(ImageSource source, int index, Exception error) => new(
        $"{source.Location}, picture {source.Entries[index].Name},",
        $"could not be read ({error.Message.TrimEnd('.')}): see to where it lies, then begin again", error);
}

/// <summary>A picture that could not be decoded and was left out.</summary>
/// <param name="Name">Its name in the source.</param>
/// <param name="Reason">Why, as the end of a sentence that begins with the name.</param>
public sealed record BrokenImage(string Name, string Reason);
