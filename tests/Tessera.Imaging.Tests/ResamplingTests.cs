namespace Tessera.Imaging.Tests;

public class ResamplingTests
{
    [Theory]
    [InlineData(100, 60, 32, 32)] // smaller
    [InlineData(20, 30, 64, 48)] // larger
    [InlineData(33, 64, 33, 16)] // cropped, not resized
    [InlineData(7, 5, 1, 1)]
    [InlineData(1, 1, 9, 4)]
    [InlineData(1000, 3, 8, 8)]
    public void Agrees_With_A_Plain_Sum_Over_All_Pixels(int width, int height, int targetWidth, int targetHeight)
    {
        var random = new CounterRandom(5, RandomPurpose.Texture, 0, (uint)width);
        var interleaved = new byte[4 * width * height];
        foreach (ref var value in interleaved.AsSpan())
            value = (byte)random.NextBelow(256);
        var shape = new ImageShape(3, targetHeight, targetWidth);
        var pixels = new byte[shape.Pixels];

        Resampling.CoverAndCrop(interleaved, width, height, shape, pixels);

        for (var place = 0; place < pixels.Length; place++)
        {
            var (channel, y, x) = (place / (targetWidth * targetHeight), place / targetWidth % targetHeight, place % targetWidth);
            Math.Abs(pixels[place] - PlainSum(interleaved, width, height, shape, channel, y, x)).ShouldBeLessThan(0.502, $"at {channel}, {y}, {x}");
        }
    }

    [Fact]
    public void Keeps_A_Plain_Colour_Plain()
    {
        var interleaved = new byte[4 * 37 * 53];
        Array.Fill(interleaved, (byte)77);
        var shape = new ImageShape(3, 16, 24);
        var pixels = new byte[shape.Pixels];

        Resampling.CoverAndCrop(interleaved, 37, 53, shape, pixels);

        pixels.ShouldAllBe(value => value == 77);
    }

    /// <summary>Keys' cubic written out over every source pixel, in double precision, both axes at once.</summary>
    private static double PlainSum(byte[] interleaved, int width, int height, ImageShape shape, int channel, int y, int x)
    {
        var reduction = Math.Min((double)width / shape.Width, (double)height / shape.Height);
        var across = Weights(width, (width - shape.Width * reduction) / 2 + (x + 0.5) * reduction, reduction);
        var down = Weights(height, (height - shape.Height * reduction) / 2 + (y + 0.5) * reduction, reduction);
        var sum = 0.0;
        for (var row = 0; row < height; row++)
        {
            for (var column = 0; column < width; column++)
                sum += down[row] * across[column] * interleaved[4 * (row * width + column) + channel];
        }
        return Math.Clamp(sum, 0, 255);
    }

    private static double[] Weights(int length, double centre, double reduction)
    {
        var stretch = Math.Max(1, reduction);
        var weights = Enumerable.Range(0, length).Select(place => Cubic(Math.Abs(place + 0.5 - centre) / stretch)).ToArray();
        return Array.ConvertAll(weights, weight => weight / weights.Sum());
    }

    private static double Cubic(double x) => x switch
    {
        < 1 => 1.5 * Math.Pow(x, 3) - 2.5 * x * x + 1,
        < 2 => -0.5 * Math.Pow(x, 3) + 2.5 * x * x - 4 * x + 2,
        _ => 0,
    };
}
