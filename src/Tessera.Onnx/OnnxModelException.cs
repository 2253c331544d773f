namespace Tessera.Onnx;

/// <summary>A file that holds no model that can be run. The message says why.</summary>
public sealed class OnnxModelException(string message, Exception? inner = null) : Exception(message, inner);
