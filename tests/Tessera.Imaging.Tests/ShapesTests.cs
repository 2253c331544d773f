using System.Security.Cryptography;
using Tessera.Imaging.Shapes;

namespace Tessera.Imaging.Tests;

public class ShapesTests
{
    private static readonly ImageShape Shape = new(3, 64, 64);

    [Fact]
    public void Draws_The_Same_Pictures_On_Every_Machine()
    {
        var source = ImageSource.Open("shapes");
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        for (var index = 0; index < 240; index++)
            hash.AppendData(Draw(source, index));
        Convert.ToHexStringLower(hash.GetHashAndReset()).ShouldBe("e2f092297d7e993a1bf62c34e1173a99a3b9ac8bce2de009738653fa79895a07");
    }

    [Fact]
    public void Has_Twelve_Classes_Equally_Often_And_A_Tenth_More_To_Test_With()
    {
        var source = ImageSource.Open("shapes:1200");

        source.Kind.ShouldBe("shapes");
        source.Location.ShouldBe("shapes:1200");
        source.ClassNames.ShouldBe(["arrow", "circle", "clover", "crescent", "cross", "heart", "hexagon", "ring", "semicircle", "square", "star", "triangle"]);
        source.Entries.Count.ShouldBe(1320);
        source.Entries.Take(1200).ShouldAllBe(entry => !entry.IsTest);
        source.Entries.Skip(1200).ShouldAllBe(entry => entry.IsTest);
        source.Entries.Take(1200).CountBy(entry => entry.Label).ShouldAllBe(pair => pair.Value == 100);
    }

    [Fact]
    public void Four_Thousand_Are_The_Default() => ImageSource.Open("shapes").Entries.Count.ShouldBe(4400);

    [Fact]
    public void A_Picture_Stays_The_Same_When_There_Are_More()
    {
        var (few, many) = (ImageSource.Open("shapes:20"), ImageSource.Open("shapes:50"));
        Draw(few, 7).ShouldBe(Draw(many, 7));
        Draw(few, 20).ShouldBe(Draw(many, 50)); // the first test picture
        few.Fingerprint.ShouldNotBe(many.Fingerprint);
    }

    [Fact]
    public void No_Two_Pictures_Are_Alike_Whatever_Split_Or_Seed()
    {
        var (source, other) = (new ShapesSource(60), new ShapesSource(60, seed: 1));
        var pictures = Enumerable.Range(0, 66).SelectMany(index => new[] { Draw(source, index), Draw(other, index) });
        pictures.Select(picture => Convert.ToHexString(SHA256.HashData(picture))).Distinct().Count().ShouldBe(132);
    }

    [Theory]
    [InlineData(1, 64, 64)]
    [InlineData(3, 32, 96)]
    [InlineData(3, 1, 1)]
    public void Draws_Any_Shape(int channels, int height, int width)
    {
        var shape = new ImageShape(channels, height, width);
        var pixels = new byte[shape.Pixels];
        ImageSource.Open("shapes").Read(5, shape, pixels);
        pixels.ShouldContain(value => value > 0);
    }

    [Fact]
    public void One_Channel_Is_The_Luma_Of_Three()
    {
        var (grey, colour) = (new byte[64 * 64], Draw(ImageSource.Open("shapes"), 3));
        ImageSource.Open("shapes").Read(3, new ImageShape(1, 64, 64), grey);
        for (var i = 0; i < grey.Length; i++)
            ((double)grey[i]).ShouldBe((0.299 * colour[i]) + (0.587 * colour[4096 + i]) + (0.114 * colour[8192 + i]), 0.51);
    }

    /// <remarks>Areas in closed form, in units of the radius, measured by counting points.</remarks>
    [Theory]
    [InlineData("circle", Math.PI * 0.92 * 0.92)]
    [InlineData("square", 1.56 * 1.56)]
    [InlineData("ring", Math.PI * ((0.95 * 0.95) - (0.49 * 0.49)))]
    [InlineData("semicircle", Math.PI * 1.02 * 1.02 / 2)]
    [InlineData("cross", (2 * 1.96 * 0.6) - 0.36)]
    [InlineData("hexagon", 2.598076211)]
    [InlineData("triangle", 1.299038106 * 1.21)]
    [InlineData("star", 5 * 1.1 * 0.46 * 0.587785252)] // ten triangles: ½ · R · r · sin 36°
    [InlineData("arrow", (1.2 * 0.6) + (0.9 * 0.8))]
    public void An_Outline_Encloses_The_Area_Of_Its_Shape(string name, double area)
    {
        const int side = 600;
        var label = Array.IndexOf(Outline.Names, name);
        var inside = 0;
        for (var i = 0; i < side * side; i++)
            inside += Outline.Distance(label, ((i % side) + 0.5) / side * 3 - 1.5, ((i / side) + 0.5) / side * 3 - 1.5) < 0 ? 1 : 0;
        (inside * 9.0 / (side * side)).ShouldBe(area, 0.01);
    }

    [Fact]
    public void Every_Outline_Stays_Within_Its_Reach()
    {
        // Scene measures nothing farther out than this.
        for (var label = 0; label < Outline.Names.Length; label++)
        {
            for (var turn = 0.0; turn < 6.3; turn += 0.05)
                Outline.Distance(label, 1.3 * Math.Cos(turn), 1.3 * Math.Sin(turn)).ShouldBeGreaterThan(0, Outline.Names[label]);
        }
    }

    [Theory]
    [InlineData("shapes:0")]
    [InlineData("shapes:-4")]
    [InlineData("shapes:many")]
    [InlineData("shapes:")]
    [InlineData("shapes:10000001")]
    public void Refuses_A_Count_That_Is_None(string source) =>
        Should.Throw<ImageSourceException>(() => ImageSource.Open(source)).Message
            .ShouldBe($"{source}: COUNT must be a whole number from 1 to 10000000, as in shapes:4000, not \"{source[7..]}\".");

    private static byte[] Draw(ImageSource source, int index)
    {
        var pixels = new byte[Shape.Pixels];
        source.Read(index, Shape, pixels);
        return pixels;
    }
}
