using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using SkiaSharp;
using Tessera.Figures;
using Tessera.Tests.Fixtures;

namespace Tessera.Tests.Figures;

public sealed partial class CurvesFigureTests : IDisposable
{
    private static readonly SKColor Blue = new(0x00, 0x72, 0xB2);
    private static readonly SKColor Grey = new(0x6B, 0x6B, 0x6B);
    private static readonly double[] Epochs = [1, 2, 3, 4];
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Draws_Every_Panel_With_Its_Lines_And_Words()
    {
        using var picture = Drawn(
            new Panel("Training loss", "step", "mean squared error", [new Curve("loss", Epochs, [4, 3, 2, 1])]),
            new Panel("Held out", "epoch", "dB",
            [
                new Curve("model", Epochs, [12, 13, 14, 15]),
                new Curve("baseline", Epochs, [13.8, 13.8, 13.8, 13.8], Dashed: true),
            ]));

        (picture.Width, picture.Height).ShouldBe((1440, 1020));
        Count(picture, SKRectI.Create(100, 0, 1000, 510), Blue).ShouldBeGreaterThan(500, "the loss");
        Count(picture, SKRectI.Create(100, 510, 1000, 510), Blue).ShouldBeGreaterThan(500, "the model");
        Count(picture, SKRectI.Create(100, 510, 1000, 510), Grey).ShouldBeGreaterThan(500, "the baseline");
        Count(picture, SKRectI.Create(100, 0, 1000, 510), Grey).ShouldBeLessThan(50, "no baseline in the first panel");
        Dark(picture, SKRectI.Create(100, 15, 300, 35)).ShouldBeGreaterThan(100, "the first title");
        Dark(picture, SKRectI.Create(100, 525, 300, 35)).ShouldBeGreaterThan(50, "the second title");
        Count(picture, SKRectI.Create(1200, 510, 240, 510), Blue).ShouldBeGreaterThan(5, "the model's name at its end");
    }

    [Fact]
    public void Draws_A_Constant_Reference_Across_The_Whole_Panel()
    {
        using var picture = Drawn(new Panel("", "epoch", "dB",
            [new Curve("model", Epochs, [1, 2, 3, 4]), new Curve("baseline", [1], [2.5], Dashed: true)]));

        var columns = Enumerable.Range(0, picture.Width).Where(x => Count(picture, SKRectI.Create(x, 100, 1, 300), Grey) > 0).ToArray();
        columns.Min().ShouldBeLessThan(130);
        columns.Where(x => x < 1200).Max().ShouldBeGreaterThan(1050);
    }

    [Fact]
    public void Panels_Of_One_Unit_Have_One_Scale_Across()
    {
        Panel[] figure =
        [
            new("Loss", "epoch", "error", [new Curve("loss", [.1, 4], [4, 1])]),
            new("Held out", "epoch", "dB", [new Curve("model", [2], [14]), new Curve("baseline", [-50], [13], Dashed: true)]), // a reference widens nothing
            new("By step", "step", "error", [new Curve("loss", [1, 900], [4, 1])]),
            new("Nothing yet", "epoch", "%", []),
        ];

        PanelScale[] scales = [.. figure[..3].Select(panel => PanelScale.Of(panel, figure)!)];

        (scales[0].Left, scales[0].Right).ShouldBe((.1 - .02 * 3.9, 4 + .02 * 3.9));
        (scales[1].Left, scales[1].Right, scales[1].WholePlaces).ShouldBe((scales[0].Left, scales[0].Right, scales[0].WholePlaces));
        scales[1].Top.ShouldBeInRange(14, 14.1); // upwards each has its own
        scales[2].Right.ShouldBeGreaterThan(900);
        PanelScale.Of(figure[3], figure).ShouldBeNull();
    }

    /// <summary>As drawn: an epoch stands at the same place in every panel, of whatever epochs it knows and however long its names are.</summary>
    [Fact]
    public void An_Epoch_Stands_At_One_Place_In_Every_Panel_That_Is_Drawn()
    {
        Panel[] figure =
        [
            new("Loss", "epoch", "error", [new Curve("loss", Epochs, [4, 3, 2, 1])]),
            new("Held out", "epoch", "dB", [new Curve("a model with a long name", [2, 3], [14, 15])]),
        ];

        var (first, second) = (Marks(CurvesFigure.EncodeSvg(figure[0], figure)), Marks(CurvesFigure.EncodeSvg(figure[1], figure)));
        first.Length.ShouldBe(4);
        second.ShouldBe(first[1..3]);

        using var picture = Drawn(figure);
        var scale = picture.Width / 960.0; // of the SVG's units
        Blues(top: 0).ShouldBeInRange(scale * double.Parse(first[0]) - 10, scale * double.Parse(first[0])); // a mark's rim is up to 3 units before it
        Blues(top: picture.Height / 2).ShouldBeInRange(scale * double.Parse(second[0]) - 10, scale * double.Parse(second[0]));

        double Blues(int top) => Enumerable.Range(0, picture.Width).First(x => Count(picture, SKRectI.Create(x, top, 1, picture.Height / 2), Blue) > 0);

        static string[] Marks(string svg) => [.. Mark().Matches(svg).Select(mark => mark.Groups[1].Value).Distinct()]; // each is filled, and has a rim
    }

    [Fact]
    public void Draws_The_Same_Bytes_Again()
    {
        double[] steps = [.. Enumerable.Range(0, 500)];
        var panel = new Panel("loss", "step", "error", [new Curve("loss", steps, [.. steps.Select(step => Math.Exp(-step / 50))])]);
        CurvesFigure.Save(folder.File("a.png"), [panel]);

        CurvesFigure.Encode([panel]).ShouldBe(File.ReadAllBytes(folder.File("a.png")));
        Directory.GetFiles(folder.Path).Length.ShouldBe(1);
    }

    public static TheoryData<double[]> Awkward => new(
        [],
        [double.NaN, double.PositiveInfinity],
        [1],
        [0, 0, 0],
        [-1e-300, 1e-300],
        [1e308, -1e308, 1e90],
        [double.NaN, 3, double.NegativeInfinity, 2],
        [1e-12, 1e12]);

    [Theory]
    [MemberData(nameof(Awkward))]
    public void Draws_Whatever_Values_There_Are(double[] values)
    {
        double[] places = [.. values.Select((_, index) => (double)index)];

        using var picture = Drawn(new Panel("t", "x", "y", [new Curve("a", places, values), new Curve("b", places, values, Dashed: true)]));

        Dark(picture, SKRectI.Create(100, 15, 300, 35)).ShouldBeGreaterThan(5);
    }

    [Fact]
    public void Refuses_A_Curve_Whose_Places_And_Values_Differ_In_Number() =>
        Should.Throw<ArgumentException>(() => Drawn(new Panel("t", "x", "y", [new Curve("loss", [1, 2], [1])])))
            .Message.ShouldStartWith("Curve 'loss' has 2 places and 1 values.");

    [Fact]
    public void Refuses_A_Figure_Without_Panels() =>
        Should.Throw<ArgumentException>(() => Drawn())
            .Message.ShouldStartWith("A figure needs at least one panel.");

    [Fact]
    public void Says_Where_It_Cannot_Write()
    {
        var file = Path.Combine(folder.Path, "none", "curves.png");

        Should.Throw<IOException>(() => CurvesFigure.Save(file, [new Panel("t", "x", "y", [])]))
            .Message.ShouldStartWith($"{file} cannot be written: ");
    }

    [Theory]
    [InlineData(0, "0")]
    [InlineData(14.5, "14.5")]
    [InlineData(0.1 + 0.2, "0.3")]
    [InlineData(-2, "-2")]
    [InlineData(9999, "9999")]
    [InlineData(1_250_000, "1,250,000")]
    [InlineData(0.00015, "0.00015")]
    [InlineData(0.0000125, "1.25e-5")]
    public void Numbers_On_Axes_Are_Short(double value, string expected) => CurvesFigure.Number(value).ShouldBe(expected);

    [Property]
    public Property Names_Keep_Their_Order_And_Distance_And_Stay_Where_There_Is_Room() => Prop.ForAll(
        Gen.Choose(0, 300).Select(place => (float)place).ListOf().Select(places => places.Order().ToArray()).ToArbitrary(),
        places =>
        {
            var moved = EndLabels.MovedApart(places, 15);

            moved.Length.ShouldBe(places.Length);
            for (var index = 1; index < moved.Length; index++) (moved[index] - moved[index - 1]).ShouldBeGreaterThan(14.99f);
            if (places.Zip(places.Skip(1)).All(pair => pair.Second - pair.First >= 15)) moved.ShouldBe(places);
            if (places.Length > 0) moved.Average().ShouldBe(places.Average(), 0.01f);
        });

    [Property]
    public Property A_Course_Lies_Within_Its_Values_And_Ends_With_The_Last_Ones_Mean() => Prop.ForAll(
        Gen.Choose(-1000, 1000).Select(value => value / 8.0).ArrayOf(150).ToArbitrary(),
        values =>
        {
            var means = Smoothing.MovingMean(values);

            means[0].ShouldBe(values[0]);
            means[^1].ShouldBe(values[^4..].Average(), 1e-9);
            means[75].ShouldBe(values[72..79].Average(), 1e-9);
            means.ShouldAllBe(mean => mean >= values.Min() - 1e-9 && mean <= values.Max() + 1e-9);
        });

    [GeneratedRegex("<ellipse fill=\"#0072B2\" cx=\"([^\"]*)\"")]
    private static partial Regex Mark();

    private SKBitmap Drawn(params Panel[] panels)
    {
        CurvesFigure.Save(folder.File("curves.png"), panels);
        return SKBitmap.Decode(folder.File("curves.png"));
    }

    private static int Count(SKBitmap picture, SKRectI area, SKColor colour) => Pixels(picture, area).Count(pixel => pixel == colour);

    private static int Dark(SKBitmap picture, SKRectI area) => Pixels(picture, area).Count(pixel => pixel.Red + pixel.Green + pixel.Blue < 300);

    private static IEnumerable<SKColor> Pixels(SKBitmap picture, SKRectI area) =>
        from y in Enumerable.Range(area.Top, area.Height) from x in Enumerable.Range(area.Left, area.Width) select picture.GetPixel(x, y);
}
