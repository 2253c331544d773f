namespace Tessera.Imaging;

/// <summary>A source that cannot be used: no such folder, nothing in it, an annotation that makes no sense, every picture broken.</summary>
public sealed class ImageSourceException(string message, Exception? inner = null) : ImagingException(message, inner);
