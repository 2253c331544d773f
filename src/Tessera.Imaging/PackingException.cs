namespace Tessera.Imaging;

/// <summary>A packed file could not be written: the folder is not writable, the disk is full, another process is at it.</summary>
public sealed class PackingException(string message, Exception? inner = null) : ImagingException(message, inner);
