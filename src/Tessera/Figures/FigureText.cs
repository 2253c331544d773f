using SkiaSharp;

namespace Tessera.Figures;

/// <summary>Text of one size in the figures' font: measured, broken into lines, shortened and drawn.</summary>
internal sealed class FigureText(float size) : IDisposable
{
    private readonly SKFont font = new(FigureFont.Typeface, size) { Subpixel = true, Edging = SKFontEdging.Antialias };
    private readonly SKPaint paint = new() { IsAntialias = true };

    /// <summary>From one line to the next, in pixels.</summary>
    public int LineHeight => (int)MathF.Ceiling(font.Spacing);

    public float Width(string text) => font.MeasureText(text);

    /// <summary>Breaks at blanks into lines no wider than <paramref name="width"/> pixels; a wider word is shortened.</summary>
    public IReadOnlyList<string> Wrap(string text, float width)
    {
        var lines = new List<string>();
        var line = "";
        foreach (var word in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var longer = line.Length == 0 ? word : $"{line} {word}";
            if (line.Length > 0 && Width(longer) > width)
            {
                lines.Add(Shorten(line, width));
                longer = word;
            }
            line = longer;
        }
        if (line.Length > 0) lines.Add(Shorten(line, width));
        return lines;
    }

    /// <summary>The text, or as much of its beginning as fits into <paramref name="width"/> pixels with an ellipsis.</summary>
    public string Shorten(string text, float width)
    {
        if (Width(text) <= width) return text;
        var kept = text.Length - 1;
        while (kept > 0 && (char.IsHighSurrogate(text[kept - 1]) || Width(text[..kept] + "…") > width)) kept--;
        return text[..kept].TrimEnd() + "…";
    }

    /// <param name="canvas">Drawn on.</param>
    /// <param name="text">One line.</param>
    /// <param name="left">Where it begins.</param>
    /// <param name="top">The line's upper edge.</param>
    /// <param name="colour">Of the letters.</param>
    public void DrawLeft(SKCanvas canvas, string text, float left, float top, SKColor colour) =>
        Draw(canvas, text, left, top, SKTextAlign.Left, colour);

    /// <param name="canvas">Drawn on.</param>
    /// <param name="text">One line.</param>
    /// <param name="centre">Its middle.</param>
    /// <param name="top">The line's upper edge.</param>
    /// <param name="colour">Of the letters.</param>
    public void DrawCentred(SKCanvas canvas, string text, float centre, float top, SKColor colour) =>
        Draw(canvas, text, centre, top, SKTextAlign.Center, colour);

    public void Dispose()
    {
        font.Dispose();
        paint.Dispose();
    }

    private void Draw(SKCanvas canvas, string text, float x, float top, SKTextAlign align, SKColor colour)
    {
        paint.Color = colour;
        canvas.DrawText(text, x, top - font.Metrics.Ascent, align, font, paint);
    }
}
