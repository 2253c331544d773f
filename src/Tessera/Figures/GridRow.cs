namespace Tessera.Figures;

/// <summary>A row of pictures in an <see cref="ImageGrid"/>.</summary>
/// <param name="Cells">The pictures from left to right; they may be fewer than the columns, and differ in size.</param>
/// <param name="Caption">A line below the row.</param>
public sealed record GridRow(IReadOnlyList<RgbImage> Cells, string? Caption = null);
