namespace Tessera.Imaging;

/// <summary>A packed file that cannot be used: not one at all, cut short, altered, or written by a newer version.</summary>
public sealed class PackedFormatException(string message, Exception? inner = null) : ImagingException(message, inner);
