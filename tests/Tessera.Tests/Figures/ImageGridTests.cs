using SkiaSharp;
using Tessera.Figures;
using Tessera.Tests.Fixtures;

namespace Tessera.Tests.Figures;

public sealed class ImageGridTests : IDisposable
{
    private static readonly SKColor Red = new(255, 0, 0), Green = new(0, 255, 0), Blue = new(0, 0, 255);
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Magnifies_Each_Pixel_To_A_Square()
    {
        // Red and green above, blue and black below.
        var picture = new RgbImage(2, 2, [255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0]);

        using var grid = Drawn([new GridRow([picture])], [], 5);

        foreach (var colour in new[] { Red, Green, Blue, SKColors.Black })
        {
            var places = Places(grid, colour);
            places.Count.ShouldBe(25);
            (places.Max(p => p.X) - places.Min(p => p.X), places.Max(p => p.Y) - places.Min(p => p.Y)).ShouldBe((4, 4));
        }
        var (red, green, blue) = (Places(grid, Red)[0], Places(grid, Green)[0], Places(grid, Blue)[0]);
        (green.X - red.X, green.Y - red.Y, blue.X - red.X, blue.Y - red.Y).ShouldBe((5, 0, 0, 5));
        Places(grid, SKColors.White).Count.ShouldBe(grid.Width * grid.Height - 100);
    }

    [Fact]
    public void Keeps_Rows_And_Columns_Apart_By_A_Thin_Gutter()
    {
        using var grid = Drawn([new GridRow([Plain(4, 4, 255, 0, 0), Plain(4, 4, 0, 255, 0)]), new GridRow([Plain(4, 4, 0, 0, 255)])], [], 3);

        var (red, green, blue) = (Places(grid, Red), Places(grid, Green), Places(grid, Blue));
        (green.Min(p => p.X) - red.Max(p => p.X)).ShouldBe(7);
        (blue.Min(p => p.Y) - red.Max(p => p.Y)).ShouldBe(7);
        blue.Min(p => p.X).ShouldBe(red.Min(p => p.X));
    }

    [Fact]
    public void Centres_A_Smaller_Picture_In_Its_Place()
    {
        using var grid = Drawn([new GridRow([Plain(8, 8, 255, 0, 0), Plain(8, 4, 0, 255, 0)]), new GridRow([Plain(4, 8, 0, 0, 255)])], [], 2);

        var (red, green, blue) = (Places(grid, Red), Places(grid, Green), Places(grid, Blue));
        (green.Min(p => p.Y) - red.Min(p => p.Y)).ShouldBe(4);
        (blue.Min(p => p.X) - red.Min(p => p.X)).ShouldBe(4);
    }

    [Fact]
    public void Writes_Titles_Above_And_Captions_Below()
    {
        var row = new GridRow([Plain(60, 20, 255, 0, 0)]);

        using var bare = Drawn([row], [], 1);
        using var titled = Drawn([row], ["original"], 1);
        using var captioned = Drawn([row with { Caption = "Größe 14.2 dB" }], ["original"], 1);

        Inked(bare).ShouldBe(0);
        Inked(titled).ShouldBeGreaterThan(50);
        Inked(captioned).ShouldBeGreaterThan(Inked(titled) + 50);
        (bare.Width, titled.Width, captioned.Width).ShouldBe((84, 84, 84));
        Places(titled, Red).Min(p => p.Y).ShouldBeGreaterThan(Places(bare, Red).Min(p => p.Y));
    }

    [Fact]
    public void Breaks_A_Long_Title_And_Shortens_A_Long_Word()
    {
        using var text = new FigureText(14);

        text.Wrap("restored, raw output", 80).ShouldBe(["restored,", "raw output"]);
        text.Wrap("  ", 80).ShouldBeEmpty();
        text.Wrap("Donaudampfschifffahrt und mehr", 80).ShouldSatisfyAllConditions(
            lines => lines[0].ShouldStartWith("Donau"),
            lines => lines[0].ShouldEndWith("…"),
            lines => lines[1].ShouldBe("und mehr"),
            lines => lines.ShouldAllBe(line => text.Width(line) <= 80));
    }

    [Theory]
    [InlineData("ABC abc 0123456789 .,:;%()+-×·±≥≤…–“”'")]
    [InlineData("ÄÖÜäöüß éèêçñ łşğ")]
    [InlineData("αβγμσλ Привет")]
    public void The_Font_Has_The_Letters_That_Figures_Use(string text)
    {
        using var font = new SKFont(FigureFont.Typeface, 12);

        font.GetGlyphs(text).ShouldNotContain((ushort)0);
        font.MeasureText(text).ShouldBeGreaterThan(4 * text.Length);
    }

    [Fact]
    public void Refuses_What_Cannot_Be_Drawn()
    {
        var picture = Plain(2, 2, 0, 0, 0);
        string Refusal(IReadOnlyList<GridRow> rows, int scale = 1) => Should.Throw<ArgumentException>(() => Drawn(rows, ["only one"], scale)).Message;

        Refusal([]).ShouldStartWith("A grid needs at least one picture.");
        Refusal([new GridRow([])]).ShouldStartWith("A grid needs at least one picture.");
        Refusal([new GridRow([picture, picture])]).ShouldStartWith("Row 0 has 2 pictures for 1 column titles.");
        Refusal([new GridRow([picture]), new GridRow([picture with { Width = 3 }])]).ShouldStartWith("The picture in row 1, column 0 has 12 bytes, not the 3 × 3 × 2 of its size.");
        Refusal([new GridRow([picture])], 0).ShouldContain("scale");
        Refusal([new GridRow([picture])], int.MaxValue).ShouldStartWith("The picture in row 0, column 0, 2 × 2, is too large at a scale of 2147483647.");
        Directory.GetFiles(folder.Path).ShouldBeEmpty();
    }

    [Fact]
    public void Keeps_The_Old_Picture_Where_The_New_One_Cannot_Be_Put()
    {
        Directory.CreateDirectory(folder.File("grid.png"));

        Should.Throw<IOException>(() => Drawn([new GridRow([Plain(2, 2, 0, 0, 0)])], [], 1))
            .Message.ShouldStartWith($"{folder.File("grid.png")} cannot be written: ");
        Directory.GetFiles(folder.Path).ShouldBeEmpty();
    }

    [Fact]
    public void Writes_The_Bytes_That_It_Draws()
    {
        var row = new GridRow([Plain(3, 2, 255, 0, 0)]);
        ImageGrid.Save(folder.File("grid.png"), [row], ["a"], 4);

        ImageGrid.Encode([row], ["a"], 4).ShouldBe(File.ReadAllBytes(folder.File("grid.png")));
    }

    private SKBitmap Drawn(IReadOnlyList<GridRow> rows, IReadOnlyList<string> titles, int scale)
    {
        ImageGrid.Save(folder.File("grid.png"), rows, titles, scale);
        return SKBitmap.Decode(folder.File("grid.png"));
    }

    private static RgbImage Plain(int width, int height, byte red, byte green, byte blue) =>
        new(width, height, [.. Enumerable.Range(0, width * height).SelectMany(_ => new[] { red, green, blue })]);

    private static List<SKPointI> Places(SKBitmap picture, SKColor colour) =>
        [.. from y in Enumerable.Range(0, picture.Height)
            from x in Enumerable.Range(0, picture.Width)
            where picture.GetPixel(x, y) == colour
            select new SKPointI(x, y)];

    private static int Inked(SKBitmap picture) =>
        picture.Width * picture.Height - Places(picture, SKColors.White).Count - Places(picture, Red).Count;
}
