namespace Tessera.Weights;

/// <summary>A safetensors file that cannot be read or written; the message is one sentence with the file and what is wrong.</summary>
public sealed class SafetensorsException : IOException
{
    /// <summary>An error without words: prefer one that says what is wrong.</summary>
    public SafetensorsException() { }

    /// <param name="message">One sentence: which file, which tensor, what is wrong.</param>
    public SafetensorsException(string message) : base(message) { }

    /// <param name="message">One sentence: which file, which tensor, what is wrong.</param>
    /// <param name="innerException">What the operating system or the JSON reader said.</param>
    public SafetensorsException(string message, Exception? innerException) : base(message, innerException) { }
}
