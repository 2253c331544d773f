namespace Tessera.Training;

/// <summary>A run's folder that cannot be made, read or written. The message says what to do.</summary>
public sealed class RunDirectoryException(string message, Exception? inner = null) : Exception(message, inner);
