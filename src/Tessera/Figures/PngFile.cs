using SkiaSharp;

namespace Tessera.Figures;

/// <summary>Draws a picture and writes it as PNG, beside its place first, so that a viewer never meets half a picture.</summary>
internal static class PngFile
{
    /// <exception cref="ArgumentException">The picture is too large to be drawn.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Save(string file, int width, int height, Action<SKCanvas> draw)
    {
        using var surface = SKSurface.Create(new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque))
            ?? throw new ArgumentException($"A picture of {width} × {height} pixels is too large: choose a smaller scale or fewer rows.");
        surface.Canvas.Clear(SKColors.White);
        draw(surface.Canvas);
        using var image = surface.Snapshot();
        using var png = image.Encode(SKEncodedImageFormat.Png, 100);
        Write(file, png);
    }

    private static void Write(string file, SKData png)
    {
        var partial = file + ".partial";
        try
        {
            using (var stream = File.Create(partial)) png.SaveTo(stream);
            File.Move(partial, file, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            if (File.Exists(partial)) File.Delete(partial);
            throw new IOException($"{file} cannot be written: {exception.Message.TrimEnd('.')}.", exception);
        }
    }
}
