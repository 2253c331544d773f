namespace Tessera.Imaging;

/// <summary>Something a user can mend: the message is one sentence that says what is wrong, where, and what to do.</summary>
public abstract class ImagingException : Exception
{
    private protected ImagingException(string message, Exception? inner = null) : base(message, inner)
    {
    }
}
