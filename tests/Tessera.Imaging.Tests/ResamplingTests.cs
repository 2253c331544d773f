namespace Tessera.Imaging.Tests;

public class ResamplingTests
{
    /// <summary>12 × 9 pixels, red, green and blue: ramps with noise, and in blue a board of 3 × 3 squares.</summary>
    private const string PillowsSource =
        "L0VGOFNGTktGUz7IXjzIdU3If1RGhENGoE1GqETIwkHIukTILktGSVNGSlFGVFTIZV/IgFbIeF5GjWBGnFtGpFDIsVrIv03IOWNGNWNGVHBGWHLIbGDIdmfIiWNGkGhGlWFGpmLIq1zI"
        + "uGjIPHHIRXrIVnjIZXNGYH5Gb2tGg2/Il33InnHIonRGt4BGyXNGPInIO4LIRXnIZX9GZJBGe4tGfXvIjX3ImYbInXlGtY5GuYFGP5zIP4fITJDIWYtGdJtGdppGi4nIjJrIlpXIpotG"
        + "spNGyoxGMqhGNaFGQ6RGVKHIZ5/Ie5nIhJxGkJxGk5dGnpfIwZvIyqvILLhGNrZGUbdGVq/IXajIea7IjrJGl6tGn6tGpLPIt7TIuKzINcJGPMhGT7pGXrrIXbXIcbzIfcRGicxGl8FG"
        + "pbjItLXIwcbI";

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

    /// <remarks>
    /// Pillow 9.4.0: <c>Image.resize((width, height), Image.BICUBIC, box=…)</c>, the box of the target's proportions in the picture's middle. Pillow rounds to
    /// whole bytes between its two passes: a difference of 1. Its own Lanczos filter differs from these by up to 22, its bilinear one by up to 25.
    /// </remarks>
    [Theory]
    [InlineData(5, 5, "SU5aX0vWe1SHj1I4rEy0Tmx4ZGuhfWaHlGptpmaWS365Z4kxfIOHkYPdpoNVRJ94ZJ6hgZyHkZttp5mWSrtaXrLWfLiHk7s4qLW0")]
    [InlineData(4, 2, "Q2qJaGyFj2uJsWmFP52JaJyFkJqJs5uF")]
    [InlineData(15, 10, "LkVGOVBGRlA+T0loVETNXkjJc03Se1WHflU8iU1FnVJBpEqmskjQvknIvEbIL09EQFNESlU8TVdnVVvPZWHLelvUfVuHfmA6kGNDml0/oVWnqVfStFnKv1HKOWNGNGJGRGk+V3JoWXHN"
        + "amHJc2XSgGWHjGQ8kWhFlGFBoWKmqV7Qr1/IuWnIPG60P3S0THi6W3adY3NWYXlZa21TemmHinC7mHq1nG64oG9xrHZUvHhayHBaPH/OPoHORHzXU3apZ3s6YIk/cII1enmHg3fZkn3P"
        + "m37UnHdlqoE3u4dAv3pAPpLOPIfOQIHXToCpYoQ6aZQ/dpY1fomHhYHZjYnPl43UnYJlqog3uI9Av4RAPaC0PZC0RI+6TpOdWpBWcZtZdZxTgZKHjI+7jZy1lJe4oI9xrZFUvJRazJJa"
        + "MqhGM6NGO6I+SKRoVqHNZZ/JdprSgJqHiJw8kZxFkpdBmZemsJjQxqDIyqzILLVEMbJEQrQ8UrJnVqzPXKbLcajUha2Hkqw6mKdDnac/oa2nrrHSu6/KuqvKMr9GNsJGRb4+VbhoXLbN"
        + "W7HJbLXSfbyHh8A8j8FFmbtBorimrbbQuLjIvr7I")]
    [InlineData(12, 4, "O2qHPG+HV3aHX3SHZm6HcWiHh2mHlHOHmWiHpGyHsW2HwW6HPH3QQX/QTXjQZ3g+YIg+dXo+f3XQk33QnHzQn3c+t4k+wXo+PpPQPYPQSIPQX4Q+bZY+eZU+hILQjIvQl4/QooI+spE+"
        + "wYU+OaKHOpOHR5qHVpaHb52HeJmHiJKHjpyHlJaHopCHupaHzJyH")]
    public void Gives_The_Bytes_That_Pillow_Gives(int width, int height, string expected)
    {
        const int sourceWidth = 12, sourceHeight = 9;
        var interleaved = new byte[4 * sourceWidth * sourceHeight];
        foreach (var (pixel, colour) in Convert.FromBase64String(PillowsSource).Chunk(3).Index()) colour.CopyTo(interleaved, 4 * pixel);
        var shape = new ImageShape(3, height, width);
        var planar = new byte[shape.Pixels];

        Resampling.CoverAndCrop(interleaved, sourceWidth, sourceHeight, shape, planar);

        foreach (var (place, value) in Convert.FromBase64String(expected).Index())
            ((int)planar[place % 3 * width * height + place / 3]).ShouldBeInRange(value - 1, value + 1, $"place {place / 3}, channel {place % 3}");
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
