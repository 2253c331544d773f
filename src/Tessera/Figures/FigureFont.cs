using ScottPlot;
using SkiaSharp;

namespace Tessera.Figures;

/// <summary>The font of all figures, which the library carries, so that a figure looks the same on every machine.</summary>
/// <remarks>
/// SkiaSharp.NativeAssets.Linux.NoDependencies is built without fontconfig and finds no font, even where some are installed: text
/// would silently be missing. The font holds Latin, Greek and Cyrillic; other letters appear as an empty box.
/// </remarks>
internal sealed class FigureFont : IFontResolver
{
    public const string Name = "Tessera Sans";

    private static readonly Lazy<SKTypeface> Loaded = new(Load);

    private FigureFont() { }

    /// <summary>The typeface, shared and never disposed; available to ScottPlot by <see cref="Name"/> from then on.</summary>
    public static SKTypeface Typeface => Loaded.Value;

    SKTypeface? IFontResolver.CreateTypeface(string fontName, FontWeight weight, FontSlant slant, FontSpacing spacing) =>
        fontName == Name ? Typeface : null;

    SKTypeface? IFontResolver.CreateTypeface(string fontName, bool bold, bool italic) => fontName == Name ? Typeface : null;

    private static SKTypeface Load()
    {
        using var stream = typeof(FigureFont).Assembly.GetManifestResourceStream("TesseraSans.ttf");
        var typeface = stream is null ? null : SKTypeface.FromStream(stream);
        if (typeface is null)
            throw new InvalidOperationException("The figures' font, TesseraSans.ttf, is missing from the Tessera assembly.");
        ScottPlot.Fonts.FontResolvers.Insert(0, new FigureFont());
        return typeface;
    }
}
