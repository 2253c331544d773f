namespace Tessera.Imaging.Folders;

/// <summary>A picture's file as a folder lists it.</summary>
/// <param name="Name">The path inside the source, with <c>/</c> between folders.</param>
/// <param name="Size">In bytes.</param>
/// <param name="Modified">UTC ticks of the last change.</param>
internal readonly record struct FoundPicture(string Name, long Size, long Modified);
