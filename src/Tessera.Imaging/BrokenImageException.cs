namespace Tessera.Imaging;

/// <summary>One picture cannot be read. Packing and inspection count it, name it and go on without it.</summary>
public sealed class BrokenImageException(string name, string reason, Exception? inner = null)
    : ImagingException($"{name} {reason}.", inner)
{
    /// <summary>The picture's name in its source, or the file's path.</summary>
    public string Name { get; } = name;

    /// <summary>Why it cannot be read, as the end of a sentence that begins with the name.</summary>
    public string Reason { get; } = reason;

    /// <summary>The same, without the exception.</summary>
    public BrokenImage ToBrokenImage() => new(Name, Reason);
}
