namespace Tessera.Runtime;

/// <summary>libtorch could not be loaded. The message is one sentence that says what is missing and what to do.</summary>
public sealed class LibTorchException(string message, Exception? inner = null) : Exception(message, inner);
