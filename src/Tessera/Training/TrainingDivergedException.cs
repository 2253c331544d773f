namespace Tessera.Training;

/// <summary>The loss became infinite or not a number. The message says where, and what to try.</summary>
public sealed class TrainingDivergedException(string message) : Exception(message);
