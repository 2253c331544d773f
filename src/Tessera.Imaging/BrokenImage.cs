namespace Tessera.Imaging;

/// <summary>A picture that could not be read and was left out.</summary>
/// <param name="Name">Its name in the source.</param>
/// <param name="Reason">Why, as the end of a sentence that begins with the name.</param>
public sealed record BrokenImage(string Name, string Reason);
