namespace Tessera.Ranks;

/// <summary>Ranks cannot work together. The message says which, where, and what to do.</summary>
/// <param name="message">What is wrong, and what to do.</param>
/// <param name="inner">What led to it.</param>
public class RanksException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>Another rank failed, which has told why; this one ends with it.</summary>
/// <param name="message">What the other told.</param>
public sealed class OtherRankException(string message) : RanksException(message);
