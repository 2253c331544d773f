using Tessera.Imaging;
using Tessera.Tests.Fixtures;

namespace Tessera.Benchmarking.Tests;

public sealed class PictureFileTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    [Fact]
    public void Writes_Jpegs_That_Decode_To_Almost_The_Packed_Pixels()
    {
        using var folder = new ScratchFolder();
        JpegFolder.Write(shapes.Images, 4, folder.Path, TestContext.Current.CancellationToken);
        Directory.GetFiles(folder.Path).Length.ShouldBe(4);
        var decoded = new byte[shapes.Images.Shape.Pixels];
        for (var i = 0; i < 4; i++)
        {
            ImageDecoder.Decode(folder.File($"{i:D6}.jpg"), shapes.Images.Shape, decoded);
            var packed = shapes.Images.Pixels(i).ToArray();
            decoded.Zip(packed, (d, p) => Math.Abs(d - p)).Average().ShouldBeLessThan(16); // a channel swapped would be far off
        }
    }

    [Fact]
    public void Takes_Pictures_From_All_Over_A_Source()
    {
        var source = ImageSource.Open("shapes:100");
        var subset = new ImageSubset(source, 10);
        subset.Entries.ShouldBe(Enumerable.Range(0, 10).Select(i => source.Entries[i * 11])); // of 110, tests among them
        var (shape, expected, actual) = (new ImageShape(3, 8, 8), new byte[192], new byte[192]);
        source.Read(33, shape, expected);
        subset.Read(3, shape, actual);
        actual.ShouldBe(expected);
    }

    [Fact]
    public void Takes_All_Of_A_Source_That_Has_No_More() =>
        new ImageSubset(ImageSource.Open("shapes:20"), 1000).Entries.ShouldBe(ImageSource.Open("shapes:20").Entries);
}
