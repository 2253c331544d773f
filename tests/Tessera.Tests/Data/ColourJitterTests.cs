using Tessera.Data;
using Tessera.Imaging;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Tests.Data;

public sealed class ColourJitterTests
{
    private const ulong Seed = 7;
    private const int Epoch = 3, View = 1, Height = 5, Width = 7;
    private static readonly double[] Luma = [0.299, 0.587, 0.114]; // BT.601

    [Theory]
    [InlineData(3, 1)]
    [InlineData(3, 2.4)] // far enough for pixels to leave their range
    [InlineData(1, 1)]
    [InlineData(1, 2.4)]
    public void Does_What_Each_Change_After_The_Other_Does(int channels, double strength)
    {
        using var scope = NewDisposeScope();
        int[] pictures = [.. Enumerable.Range(100, 24)];
        var pixels = Numbers.Pixels(5, pictures.Length, channels, Height, Width).to(ScalarType.Float32);
        var expected = pixels.Floats().Select(v => (double)v).ToArray();
        var (grey, left) = (0, 0);
        for (var i = 0; i < pictures.Length; i++)
        {
            var drawn = Redraw(pictures[i], channels, strength);
            grey += drawn.IsGrey ? 1 : 0;
            left += drawn.Contrast == 1 ? 1 : 0;
            OneAfterTheOther(drawn, expected.AsSpan(i * channels * Height * Width, channels * Height * Width), channels);
        }

        using var constants = new DeviceConstants();
        var applied = ColourJitter.Apply(pixels.clone(), new ColourJitter(strength, channels, Seed).Draw(pictures, Epoch, View), constants);

        applied.ShouldBeNear(tensor(expected, pixels.shape), 1e-3);
        (grey > 0, left > 0).ShouldBe((channels == 3, true)); // every kind of draw is among them
        if (strength > 2) (expected.Min(), expected.Max()).ShouldBe((0, 255));
    }

    [Fact]
    public void Applies_To_Four_In_Five_And_Makes_One_In_Five_Grey()
    {
        var draws = Draw(strength: 1, [.. Enumerable.Range(0, 4000)]);
        var applied = draws.Select(d => d.Shift.Any(f => f != 0)).ToList(); // a contrast of exactly 1 is never drawn
        var grey = draws.Select(d => d.Rows.All(row => row.SequenceEqual(d.Rows[0]))).ToList();
        applied.Count(a => a).ShouldBeInRange(3098, 3302); // four deviations from .8
        grey.Count(g => g).ShouldBeInRange(698, 902); // and from .2
        applied.Zip(grey).Count(d => d is (true, true)).ShouldBeInRange(547, 733); // and from .16: one tells nothing of the other
    }

    [Fact]
    public void Draws_Factors_Within_Their_Ranges_And_Up_To_Their_Ends()
    {
        var (products, contrasts, saturations, gains) = (new List<double>(), new List<double>(), new List<double>(), new List<double>());
        foreach (var (rows, shift) in Draw(strength: 1, [.. Enumerable.Range(0, 4000)]).Where(d => d.Shift.Any(f => f != 0) && !d.Rows[0].SequenceEqual(d.Rows[1])))
        {
            // A = gain · brightness · contrast · (s I + (1 - s) 1 lᵀ), whose rows sum to gain · brightness · contrast, and the shift is gain · brightness · (1 - contrast).
            var sums = rows.Select(r => r.Sum()).ToArray();
            products.AddRange(sums.Zip(shift, (sum, f) => sum + f));
            contrasts.Add(sums[0] / (sums[0] + shift[0]));
            saturations.Add((rows[0][0] / sums[0]) - (rows[1][0] / sums[1]));
            gains.AddRange([sums[0] / sums[1], sums[1] / sums[2], sums[2] / sums[0]]);
        }
        ShouldSpan(products, 0.6 * 0.85, 1.4 * 1.15, 0.05);
        ShouldSpan(contrasts, 0.6, 1.4, 0.01);
        ShouldSpan(saturations, 0.6, 1.4, 0.01);
        ShouldSpan(gains, 0.85 / 1.15, 1.15 / 0.85, 0.03);

        static void ShouldSpan(List<double> values, double low, double high, double within)
        {
            values.Min().ShouldBeInRange(low - 1e-5, low + within);
            values.Max().ShouldBeInRange(high - within, high + 1e-5);
        }
    }

    [Fact]
    public void Leaves_Brightness_Contrast_Saturation_And_Gains_At_Strength_0()
    {
        foreach (var (rows, shift) in Draw(strength: 0, [.. Enumerable.Range(0, 200)]))
        {
            shift.ShouldAllBe(f => f == 0);
            for (var row = 0; row < 3; row++)
            {
                var isGrey = rows[0].SequenceEqual(rows[1]);
                for (var column = 0; column < 3; column++) rows[row][column].ShouldBe(isGrey ? Luma[column] : row == column ? 1 : 0, 1e-7);
            }
        }
    }

    [Theory]
    [InlineData(3)]
    [InlineData(1)]
    public void Draws_From_Seed_Epoch_Picture_And_View_Alone(int channels)
    {
        float[] Of(int[] pictures, int at, int epoch = Epoch, int view = View, ulong seed = Seed)
        {
            using var draws = new ColourJitter(1, channels, seed).Draw(pictures, epoch, view);
            return draws[at].Floats();
        }

        var expected = Of([4, 9, 2], at: 1);
        Of([9], at: 0).ShouldBe(expected);
        // A share of the draws leaves all as it is, so that two may be alike: these are not.
        Of([4], at: 0).ShouldNotBe(expected);
        Of([9], at: 0, epoch: Epoch + 1).ShouldNotBe(expected);
        Of([9], at: 0, view: View + 1).ShouldNotBe(expected);
        Of([9], at: 0, seed: Seed + 1).ShouldNotBe(expected);
    }

    [Theory]
    [InlineData(null, false, false)]
    [InlineData(0.0, false, false)]
    [InlineData(0.5, true, true)]
    [InlineData(null, true, true)]
    [InlineData(0.0, true, false)]
    public void Varies_Colours_Where_Options_Ask_For_It_And_By_Itself_Where_Views_Are_Compared(double? colour, bool ofViews, bool varies)
    {
        var options = new AugmentationOptions { Colour = colour };
        using var draws = new Augmentation(ofViews ? options.OfViews() : options, Height, Width, Seed).DrawColours([1, 2], Epoch, View);
        if (!varies)
        {
            draws.ShouldBeNull();
            return;
        }
        using var expected = new ColourJitter(colour ?? 1, 3, Seed).Draw([1, 2], Epoch, View);
        draws!.ShouldEqual(expected);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(2.5)]
    [InlineData(double.NaN)]
    public void Refuses_A_Strength_That_Takes_A_Factor_To_0(double strength) =>
        new AugmentationOptions { Colour = strength }.Faults().ShouldBe([$"the colour strength is {strength}: it must be at least 0 and below 2.5"]);

    private static List<(double[][] Rows, double[] Shift)> Draw(double strength, int[] pictures)
    {
        using var draws = new ColourJitter(strength, channels: 3, Seed).Draw(pictures, Epoch, View);
        draws.shape.ShouldBe([pictures.Length, 3, 4]);
        return [.. draws.Floats().Select(v => (double)v).Chunk(12).Select(d => (d.Chunk(4).Select(row => row[..3]).ToArray(), d.Chunk(4).Select(row => row[3]).ToArray()))];
    }

    /// <summary>The factors of a picture, in the order in which they are drawn.</summary>
    private static Factors Redraw(int picture, int channels, double strength)
    {
        var random = new CounterRandom(Seed, RandomPurpose.Colour, Epoch, (uint)picture, View);
        var applies = random.NextDouble() < 0.8;
        var isGrey = random.NextDouble() < 0.2 && channels == 3;
        var draws = new double[6];
        for (var i = 0; i < (channels == 3 ? 6 : 3); i++) draws[i] = applies ? (2 * random.NextDouble() - 1) * strength * (i < 3 ? 0.4 : 0.15) : 0;
        return new Factors(1 + draws[0], 1 + draws[1], 1 + draws[2], [1 + draws[3], 1 + draws[4], 1 + draws[5]], isGrey);
    }

    /// <summary>Brightness, contrast about the mean luma, saturation, gains and grey, pixel by pixel.</summary>
    private static void OneAfterTheOther(Factors drawn, Span<double> values, int channels)
    {
        var count = Height * Width;
        var pixels = Enumerable.Range(0, count).Select(_ => new double[channels]).ToArray();
        for (var i = 0; i < values.Length; i++) pixels[i % count][i / count] = values[i];

        foreach (var pixel in pixels)
            for (var c = 0; c < channels; c++) pixel[c] *= drawn.Brightness;
        var mean = pixels.Average(LumaOf);
        foreach (var pixel in pixels)
        {
            for (var c = 0; c < channels; c++) pixel[c] = mean + drawn.Contrast * (pixel[c] - mean);
            var luma = LumaOf(pixel);
            for (var c = 0; c < channels; c++) pixel[c] = (luma + drawn.Saturation * (pixel[c] - luma)) * drawn.Gains[c];
            var grey = LumaOf(pixel);
            for (var c = 0; c < channels; c++) pixel[c] = Math.Clamp(drawn.IsGrey ? grey : pixel[c], 0, 255);
        }
        for (var i = 0; i < values.Length; i++) values[i] = pixels[i % count][i / count];

        double LumaOf(double[] pixel) => channels == 1 ? pixel[0] : pixel.Zip(Luma, (v, l) => v * l).Sum();
    }

    private sealed record Factors(double Brightness, double Contrast, double Saturation, double[] Gains, bool IsGrey);
}
