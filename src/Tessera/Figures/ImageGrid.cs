using SkiaSharp;
using Tessera.Imaging;

namespace Tessera.Figures;

/// <summary>Small pictures in rows and columns, magnified without smoothing: original, masked and restored, side by side.</summary>
public static class ImageGrid
{
    private const int Margin = 12, Gutter = 6;
    private const int WantedCellSide = 128;
    private const int LargestSide = 16_384; // of one picture, magnified
    private const float TitleSize = 14, CaptionSize = 12;
    private static readonly SKColor Ink = new(0x22, 0x22, 0x22);
    private static readonly SKColor PaleInk = new(0x66, 0x66, 0x66);

    /// <summary>The scale that makes small pictures about 128 pixels wide and high.</summary>
    public static int ScaleFor(ImageShape shape) => Math.Max(1, WantedCellSide / Math.Min(shape.Height, shape.Width));

    /// <summary>Writes the grid as a PNG file, which is replaced only when the new one is whole.</summary>
    /// <param name="file">Where; its folder exists.</param>
    /// <param name="rows">See <see cref="Encode"/>.</param>
    /// <param name="columnTitles">See <see cref="Encode"/>.</param>
    /// <param name="scale">See <see cref="Encode"/>.</param>
    /// <exception cref="ArgumentException">See <see cref="Encode"/>.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Save(string file, IReadOnlyList<GridRow> rows, IReadOnlyList<string> columnTitles, int scale)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        PngFile.Save(file, Encode(rows, columnTitles, scale));
    }

    /// <summary>Draws the grid.</summary>
    /// <param name="rows">At least one. A column is as wide as its widest picture, a row as high as its highest.</param>
    /// <param name="columnTitles">Above the columns; broken into lines where a column is narrow. May be empty.</param>
    /// <param name="scale">How many pixels wide and high a pixel becomes, at least 1.</param>
    /// <returns>The bytes of a PNG file.</returns>
    /// <exception cref="ArgumentException">No picture, more pictures in a row than titles, or bytes that do not fit a size.</exception>
    public static byte[] Encode(IReadOnlyList<GridRow> rows, IReadOnlyList<string> columnTitles, int scale)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(scale, 1);
        Check(rows, columnTitles, scale);

        using var titleFont = new FigureText(TitleSize);
        using var captionFont = new FigureText(CaptionSize);
        var columns = Math.Max(columnTitles.Count, rows.Max(row => row.Cells.Count));
        var widths = Enumerable.Range(0, columns).Select(column => scale * Widest(rows, column)).ToArray();
        var titles = columnTitles.Select((title, column) => titleFont.Wrap(title, widths[column])).ToArray();
        var titleLines = titles.Select(lines => lines.Count).DefaultIfEmpty(0).Max();

        var titleHeight = titleLines == 0 ? 0 : titleFont.LineHeight * titleLines + Gutter;
        var width = 2 * Margin + widths.Sum() + Gutter * (columns - 1);
        var height = 2 * Margin + titleHeight + rows.Sum(row => RowHeight(row, scale, captionFont)) + Gutter * (rows.Count - 1);
        return PngFile.Encode(width, height, canvas =>
        {
            DrawTitles(canvas, titleFont, titles, widths, titleLines);
            var top = Margin + titleHeight;
            foreach (var row in rows)
            {
                DrawRow(canvas, captionFont, row, widths, top, scale);
                top += RowHeight(row, scale, captionFont) + Gutter;
            }
        });
    }

    /// <summary>Where a picture stands in a grid whose pictures are all of one size, without captions.</summary>
    /// <param name="columnTitles">The grid's.</param>
    /// <param name="size">Of a picture, before it is magnified.</param>
    /// <param name="scale">The grid's.</param>
    /// <param name="row">From 0.</param>
    /// <param name="column">From 0.</param>
    internal static SKRectI PlaceOf(IReadOnlyList<string> columnTitles, (int Width, int Height) size, int scale, int row, int column)
    {
        using var titleFont = new FigureText(TitleSize);
        var (width, height) = (scale * size.Width, scale * size.Height);
        var lines = columnTitles.Select(title => titleFont.Wrap(title, width).Count).DefaultIfEmpty(0).Max();
        var top = Margin + (lines == 0 ? 0 : titleFont.LineHeight * lines + Gutter) + row * (height + Gutter);
        return SKRectI.Create(Margin + column * (width + Gutter), top, width, height);
    }

    private static void Check(IReadOnlyList<GridRow> rows, IReadOnlyList<string> columnTitles, int scale)
    {
        if (rows.Count == 0 || rows.All(row => row.Cells.Count == 0))
            throw new ArgumentException("A grid needs at least one picture.", nameof(rows));
        for (var index = 0; index < rows.Count; index++)
        {
            var cells = rows[index].Cells;
            if (columnTitles.Count > 0 && cells.Count > columnTitles.Count)
                throw new ArgumentException($"Row {index} has {cells.Count} pictures for {columnTitles.Count} column titles.", nameof(rows));
            for (var column = 0; column < cells.Count; column++)
                Check(cells[column], scale, $"The picture in row {index}, column {column}");
        }
    }

    private static void Check(RgbImage picture, int scale, string name)
    {
        var (width, height, bytes) = (picture.Width, picture.Height, picture.Rgb.Length);
        if (width < 1 || height < 1 || bytes != 3L * width * height)
            throw new ArgumentException($"{name} has {bytes} bytes, not the 3 × {width} × {height} of its size.", nameof(picture));
        if ((long)scale * Math.Max(width, height) > LargestSide)
            throw new ArgumentException($"{name}, {width} × {height}, is too large at a scale of {scale}.", nameof(scale));
    }

    private static int Widest(IReadOnlyList<GridRow> rows, int column) =>
        rows.Where(row => column < row.Cells.Count).Select(row => row.Cells[column].Width).DefaultIfEmpty(1).Max();

    private static int PicturesHeight(GridRow row, int scale) => scale * row.Cells.Select(cell => cell.Height).DefaultIfEmpty(0).Max();

    private static int RowHeight(GridRow row, int scale, FigureText captionFont) =>
        PicturesHeight(row, scale) + (row.Caption is null ? 0 : captionFont.LineHeight + 2);

    private static void DrawTitles(SKCanvas canvas, FigureText font, IReadOnlyList<string>[] titles, int[] widths, int lines)
    {
        var left = Margin;
        for (var column = 0; column < titles.Length; column++)
        {
            // One line stands on the pictures, not at the top.
            var top = Margin + (lines - titles[column].Count) * font.LineHeight;
            foreach (var line in titles[column])
            {
                font.DrawCentred(canvas, line, left + widths[column] / 2f, top, Ink);
                top += font.LineHeight;
            }
            left += widths[column] + Gutter;
        }
    }

    private static void DrawRow(SKCanvas canvas, FigureText font, GridRow row, int[] widths, int top, int scale)
    {
        var left = Margin;
        var height = PicturesHeight(row, scale);
        for (var column = 0; column < row.Cells.Count; column++)
        {
            var cell = row.Cells[column];
            var x = left + (widths[column] - scale * cell.Width) / 2;
            var y = top + (height - scale * cell.Height) / 2;
            PngFile.Draw(canvas, cell, SKRect.Create(x, y, scale * cell.Width, scale * cell.Height), new SKSamplingOptions(SKFilterMode.Nearest));
            left += widths[column] + Gutter;
        }
        if (row.Caption is { } caption)
            font.DrawLeft(canvas, font.Shorten(caption, widths.Sum() + Gutter * (widths.Length - 1)), Margin, top + height + 2, PaleInk);
    }
}

/// <summary>A row of pictures in an <see cref="ImageGrid"/>.</summary>
/// <param name="Cells">The pictures from left to right; they may be fewer than the columns, and differ in size.</param>
/// <param name="Caption">A line below the row.</param>
public sealed record GridRow(IReadOnlyList<RgbImage> Cells, string? Caption = null);
