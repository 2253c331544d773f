namespace Tessera.Runtime;

/// <summary>A device that does not exist here. The message says what to do.</summary>
public sealed class ComputeDeviceException(string message) : Exception(message);
