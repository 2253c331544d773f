using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Tests.Models;

public sealed class PatchesTests
{
    [Theory]
    [InlineData(1, 3, 8, 12, 4)]
    [InlineData(2, 1, 6, 2, 2)]
    [InlineData(3, 3, 5, 5, 5)]
    [InlineData(2, 3, 3, 4, 1)]
    public void Cuts_Row_Column_Channel_In_Raster_Order(int batch, int channels, int height, int width, int patch)
    {
        using var scope = NewDisposeScope();
        var images = Numbers.Tensor(1, batch, channels, height, width);
        var pixels = images.Floats();

        var expected = new List<float>();
        for (var b = 0; b < batch; b++)
            for (var place = 0; place < height / patch * (width / patch); place++)
                for (var row = 0; row < patch; row++)
                    for (var column = 0; column < patch; column++)
                        for (var channel = 0; channel < channels; channel++)
                        {
                            var (y, x) = (place / (width / patch) * patch + row, place % (width / patch) * patch + column);
                            expected.Add(pixels[((b * channels + channel) * height + y) * width + x]);
                        }

        var cut = Patches.Cut(images, patch);
        cut.shape.ShouldBe([batch, height / patch * (width / patch), patch * patch * channels]);
        cut.Floats().ShouldBe(expected);
        Patches.Join(cut, patch, height / patch).ShouldEqual(images);
    }

    [Fact]
    public void Picks_Each_Pictures_Own_Places_In_Their_Order()
    {
        using var scope = NewDisposeScope();
        var patches = Numbers.Tensor(2, 2, 4, 3);
        var picked = Patches.Pick(patches, tensor(new long[] { 3, 0, 1, 2 }, [2, 2]));

        picked.shape.ShouldBe([2, 2, 3]);
        picked[0][0].ShouldEqual(patches[0][3]);
        picked[0][1].ShouldEqual(patches[0][0]);
        picked[1][0].ShouldEqual(patches[1][1]);
        picked[1][1].ShouldEqual(patches[1][2]);
    }

    [Fact]
    public void Standardises_Bytes_And_Brings_Them_Back()
    {
        using var scope = NewDisposeScope();
        var normalization = new PixelNormalization([0.2, 0.5, 0.7], [0.1, 0.25, 0.3]);
        var pixels = Numbers.Pixels(3, 2, 3, 4, 5);

        var standardised = normalization.Standardize(pixels);

        var bytes = pixels.Floats();
        var expected = bytes.Select((b, i) => (b / 255.0 - normalization.Mean[i / 20 % 3]) / normalization.Deviation[i / 20 % 3]);
        standardised.ShouldBeNear(tensor(expected.ToArray(), pixels.shape), 2e-6);
        normalization.ToUnitRange(standardised).ShouldBeNear(pixels.to(ScalarType.Float64) / 255, 1e-6);
        normalization.ToUnitRange(standardised * 1000).ShouldBeNear((standardised > 0).to(ScalarType.Float32), 0.1); // clamped
    }
}
