namespace Tessera.Weights;

/// <summary>A file that holds no model that can be loaded. The message says why.</summary>
public sealed class ModelFileException(string message, Exception? inner = null) : Exception(message, inner);
