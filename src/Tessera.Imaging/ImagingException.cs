namespace Tessera.Imaging;

/// <summary>Something a user can mend: the message is one sentence that says what is wrong, where, and what to do.</summary>
public abstract class ImagingException : Exception
{
    private protected ImagingException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}

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

/// <summary>A picture that could not be read and was left out.</summary>
/// <param name="Name">Its name in the source.</param>
/// <param name="Reason">Why, as the end of a sentence that begins with the name.</param>
public sealed record BrokenImage(string Name, string Reason);
