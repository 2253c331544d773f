namespace Tessera.Imaging;

/// <summary>What a picture is before it is resized.</summary>
/// <param name="Width">In pixels, after any EXIF rotation.</param>
/// <param name="Height">In pixels, after any EXIF rotation.</param>
/// <param name="Channels">1 grey, 3 colour, 4 colour with transparency.</param>
/// <param name="Format">The encoding by its content, not its extension: <c>JPEG</c>, <c>PNG</c>, …; <c>drawn</c> or <c>packed</c>.</param>
public readonly record struct ImageFacts(int Width, int Height, int Channels, string Format);
