using System.Globalization;
using SkiaSharp;
using Tessera.Embeddings;

namespace Tessera.Figures;

/// <summary>A confusion matrix, or the part of one in which some classes stand: the darker, the larger the share of a row.</summary>
public static class ConfusionFigure
{
    private const int Cell = 34, Margin = 12, LongestName = 190, LeastShown = 1; // % of a row
    private const float TextSize = 12;
    private static readonly SKColor Ink = new(0x22, 0x22, 0x22), PaleInk = new(0x66, 0x66, 0x66);

    /// <summary>Draws the matrix: a row for each class, and in it the shares of its pictures in per cent that had each answer; what other classes took stands last.</summary>
    /// <param name="matrix">The counts.</param>
    /// <param name="chosen">Which classes, in their order; at least one.</param>
    /// <param name="names">By class.</param>
    /// <returns>The bytes of a PNG file.</returns>
    public static byte[] Encode(ConfusionMatrix matrix, IReadOnlyList<int> chosen, IReadOnlyList<string> names)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        using var font = new FigureText(TextSize);
        string[] shown = [.. chosen.Select(label => font.Shorten(names[label], LongestName))];
        var others = matrix.Classes > chosen.Count;
        var (columns, longest) = (chosen.Count + (others ? 1 : 0), (int)Math.Ceiling(shown.Max(font.Width)));
        var (left, top) = (Margin + longest + 8, Margin + font.LineHeight + longest + 8);
        return PngFile.Encode(left + (Cell * columns) + Margin, top + (Cell * chosen.Count) + Margin, canvas =>
        {
            font.DrawLeft(canvas, "class (rows) and answer (columns), % of the row", Margin, Margin, PaleInk);
            for (var i = 0; i < chosen.Count; i++)
            {
                font.DrawLeft(canvas, shown[i], left - 8 - font.Width(shown[i]), top + (i * Cell) + ((Cell - font.LineHeight) / 2f), Ink);
                Upwards(canvas, font, shown[i], left + (i * Cell), top);
                for (var j = 0; j < chosen.Count; j++) Shade(canvas, font, matrix.Share(chosen[i], chosen[j]), left + (j * Cell), top + (i * Cell), i == j);
                if (others) Shade(canvas, font, 1 - chosen.Sum(answer => matrix.Share(chosen[i], answer)), left + (chosen.Count * Cell), top + (i * Cell), own: false);
            }
            if (others) Upwards(canvas, font, "others", left + (chosen.Count * Cell), top);
        });
    }

    private static void Shade(SKCanvas canvas, FigureText font, double share, float left, float top, bool own)
    {
        // Right answers are blue and others red; white is none of a row, and full colour all of it.
        var full = own ? new SKColor(0x1F, 0x4E, 0x8C) : new SKColor(0xB3, 0x2D, 0x1E);
        var depth = Math.Sqrt(Math.Clamp(share, 0, 1)); // small shares are most of them
        byte Mix(byte of) => (byte)Math.Round(255 + (depth * (of - 255)));
        using var paint = new SKPaint { Color = new SKColor(Mix(full.Red), Mix(full.Green), Mix(full.Blue)) };
        canvas.DrawRect(left + 0.5f, top + 0.5f, Cell - 1, Cell - 1, paint);
        var percent = (int)Math.Round(100 * share);
        if (percent >= LeastShown)
            font.DrawCentred(canvas, percent.ToString(CultureInfo.InvariantCulture), left + (Cell / 2f), top + ((Cell - font.LineHeight) / 2f), depth > 0.6 ? SKColors.White : Ink);
    }

    private static void Upwards(SKCanvas canvas, FigureText font, string text, float left, float bottom)
    {
        canvas.Save();
        canvas.Translate(left + ((Cell - font.LineHeight) / 2f), bottom - 8);
        canvas.RotateDegrees(-90);
        font.DrawLeft(canvas, text, 0, 0, Ink);
        canvas.Restore();
    }
}
