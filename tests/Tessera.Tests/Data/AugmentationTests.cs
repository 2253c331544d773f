using Tessera.Data;
using Tessera.Imaging;
using static TorchSharp.torch;

namespace Tessera.Tests.Data;

public sealed class AugmentationTests
{
    private const int Height = 12, Width = 20;

    [Fact]
    public void Leaves_A_Whole_Picture_As_It_Is()
    {
        using var scope = NewDisposeScope();
        var pixels = Numbers.Pixels(1, 2, 3, Height, Width);
        Apply(pixels, [0, 0, Height, Width, 0], [0, 0, Height, Width, 0]).ShouldEqual(pixels.to(ScalarType.Float32));
    }

    [Fact]
    public void Mirrors_Left_And_Right_Picture_By_Picture()
    {
        using var scope = NewDisposeScope();
        var pixels = Numbers.Pixels(2, 2, 3, Height, Width);
        var applied = Apply(pixels, [0, 0, Height, Width, 1], [0, 0, Height, Width, 0]);
        applied[0].ShouldEqual(pixels[0].flip(2).to(ScalarType.Float32));
        applied[1].ShouldEqual(pixels[1].to(ScalarType.Float32));
    }

    [Theory]
    [InlineData(3, 5, 6, 10, false)] // enlarged by two
    [InlineData(3, 5, 6, 10, true)]
    [InlineData(0, 0, 1, 1, false)] // one pixel
    [InlineData(1, 2, 11, 7, false)]
    [InlineData(5, 13, 7, 7, true)] // to the lower right edge
    [InlineData(0, 0, 12, 9, true)]
    public void Resizes_A_Crop_As_A_Triangle_Filter_Does(int top, int left, int height, int width, bool flip)
    {
        using var scope = NewDisposeScope();
        var pixels = Numbers.Pixels(3, 1, 2, Height, Width);
        Apply(pixels, [top, left, height, width, flip ? 1 : 0]).ShouldBeNear(Resized(pixels, top, left, height, width, flip, Height, Width), 1e-3);
    }

    [Theory]
    [InlineData(0, 0, 12, 20, false)] // shrunk to half: the window widens
    [InlineData(2, 3, 8, 13, true)]
    [InlineData(4, 9, 7, 6, false)] // shrunk in one direction, enlarged in the other
    [InlineData(9, 15, 3, 5, true)] // enlarged by two, in the lower right corner
    public void Resizes_A_Local_Crop_As_A_Triangle_Filter_Does(int top, int left, int height, int width, bool flip)
    {
        using var scope = NewDisposeScope();
        var pixels = Numbers.Pixels(3, 1, 2, Height, Width);
        var local = Augmentation.Local(new(), new ImageShape(3, Height, Width), 6, 10, seed: 1);
        local.Apply(pixels, tensor((float[])[top, left, height, width, flip ? 1 : 0], [1, 5]))
            .ShouldBeNear(Resized(pixels, top, left, height, width, flip, 6, 10), 1e-3);
    }

    [Theory]
    [InlineData(64, 64)]
    [InlineData(64, 128)]
    public void Draws_Local_Crops_Of_A_Tenth_To_Four_Tenths(int fullHeight, int fullWidth)
    {
        // Whatever the smallest global crop is.
        var local = Augmentation.Local(new AugmentationOptions { SmallestCrop = 0.9 }, new ImageShape(1, fullHeight, fullWidth), 8, 8, seed: 1);
        using var drawn = local.Draw([.. Enumerable.Range(0, 4000)], epoch: 0);
        var shares = new List<float>();
        foreach (var crop in drawn.Floats().Chunk(Augmentation.CropValues))
        {
            crop[0].ShouldBeInRange(0, fullHeight - crop[2]);
            crop[1].ShouldBeInRange(0, fullWidth - crop[3]);
            shares.Add(crop[2] * crop[3] / (fullHeight * fullWidth));
        }
        shares.Min().ShouldBeInRange(0.1f - 0.01f, 0.11f); // sides are whole pixels
        shares.Max().ShouldBeInRange(0.39f, 0.4f + 0.01f);
        shares.Average().ShouldBe(0.25f, 0.01f);
    }

    [Fact]
    public void Draws_A_Crop_From_Seed_Epoch_And_Picture_Alone()
    {
        var together = Draw(new(), [4, 9, 2], epoch: 3);
        Draw(new(), [9], epoch: 3)[0].ShouldBe(together[1]);
        Draw(new(), [9], epoch: 4)[0].ShouldNotBe(together[1]);
        Draw(new(), [9], epoch: 3, seed: 2)[0].ShouldNotBe(together[1]);
        Draw(new(), [9], epoch: 3, view: 1)[0].ShouldNotBe(together[1]);
        together[0].ShouldNotBe(together[1]);
    }

    [Theory]
    [InlineData(64, 64)]
    [InlineData(64, 128)]
    [InlineData(192, 64)]
    public void Draws_Areas_And_Aspects_Within_Their_Ranges(int fullHeight, int fullWidth)
    {
        int[] pictures = [.. Enumerable.Range(0, 4000)];
        var crops = Draw(new AugmentationOptions { SmallestCrop = 0.3 }, pictures, height: fullHeight, width: fullWidth);
        foreach (var crop in crops)
        {
            var (top, left, height, width) = (crop[0], crop[1], crop[2], crop[3]);
            top.ShouldBeInRange(0, fullHeight - height);
            left.ShouldBeInRange(0, fullWidth - width);
            (height * width / (fullHeight * fullWidth)).ShouldBeInRange(0.3f - 0.02f, 1); // sides are whole pixels
            (width / fullWidth / (height / fullHeight)).ShouldBeInRange(0.75f - 0.03f, 4f / 3 + 0.05f); // how far the picture is stretched
        }
        var areas = crops.Select(c => c[2] * c[3] / (fullHeight * fullWidth)).ToList();
        areas.Min().ShouldBeLessThan(0.32f);
        areas.Max().ShouldBeGreaterThan(0.95f);
        var stretched = crops.Select(c => c[3] / fullWidth / (c[2] / fullHeight)).ToList();
        stretched.Min().ShouldBeLessThan(0.78f);
        stretched.Max().ShouldBeGreaterThan(1.29f);
        crops.Count(c => c[4] == 1).ShouldBeInRange(1874, 2126); // four deviations from a half
    }

    [Fact]
    public void Takes_The_Picture_Whole_When_Nothing_Is_Asked_For()
    {
        var crops = Draw(new AugmentationOptions { SmallestCrop = 1, Flip = false }, [.. Enumerable.Range(0, 50)], height: 16, width: 16);
        crops.ShouldAllBe(c => c.SequenceEqual(new float[] { 0, 0, 16, 16, 0 }));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    public void Refuses_A_Crop_Of_Nothing_Or_Of_More_Than_All(double smallest) =>
        new AugmentationOptions { SmallestCrop = smallest }.Faults().ShouldBe([$"the smallest crop is {smallest}: it must be above 0 and at most 1"]);

    /// <summary>Each output pixel as the mean of the source's, weighted by a triangle that is as wide as the larger of their pixels.</summary>
    private static Tensor Resized(Tensor pixels, int top, int left, int height, int width, bool flip, int toHeight, int toWidth)
    {
        var bytes = pixels.Floats();
        var (reachY, reachX) = (Math.Max(1, (double)height / toHeight), Math.Max(1, (double)width / toWidth));
        var expected = new double[2 * toHeight * toWidth];
        for (var channel = 0; channel < 2; channel++)
            for (var y = 0; y < toHeight; y++)
                for (var x = 0; x < toWidth; x++)
                {
                    // The middle of an output pixel, seen in the source, whose pixels have their middles at halves.
                    var (sourceY, sourceX) = (top + (y + 0.5) * height / toHeight, left + ((flip ? toWidth - 1 - x : x) + 0.5) * width / toWidth);
                    var (sum, weights) = (0.0, 0.0);
                    for (var row = 0; row < Height; row++)
                        for (var column = 0; column < Width; column++)
                        {
                            var weight = Math.Max(0, 1 - Math.Abs(sourceY - row - 0.5) / reachY) * Math.Max(0, 1 - Math.Abs(sourceX - column - 0.5) / reachX);
                            weights += weight;
                            sum += weight * bytes[(channel * Height + row) * Width + column];
                        }
                    expected[(channel * toHeight + y) * toWidth + x] = sum / weights;
                }
        return tensor(expected, [1, 2, toHeight, toWidth]);
    }

    private static Tensor Apply(Tensor pixels, params float[][] crops) =>
        new Augmentation(new(), Height, Width, seed: 1).Apply(pixels, tensor(crops.SelectMany(c => c).ToArray(), [crops.Length, 5]));

    private static List<float[]> Draw(
        AugmentationOptions options, int[] pictures, int epoch = 0, ulong seed = 1, int height = Height, int width = Width, int view = 0)
    {
        using var crops = new Augmentation(options, height, width, seed).Draw(pictures, epoch, view);
        return [.. crops.Floats().Chunk(Augmentation.CropValues)];
    }
}
