using Tessera.Data;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Tests.Data;

public sealed class ThreeAugmentTests
{
    private const ulong Seed = 7;
    private const int Epoch = 3, View = 1, Height = 12, Width = 20;
    private static readonly AugmentationOptions Options = new() { Policy = AugmentationPolicy.ThreeAugment };
    private static readonly float[] Luma = [0.299f, 0.587f, 0.114f]; // BT.601

    [Theory]
    [InlineData(224, 224, 1)]
    [InlineData(64, 64, 64 / 224.0)]
    [InlineData(28, 112, 56 / 224.0)]
    public void Gives_Each_Picture_One_Of_The_Three_And_Blurs_In_Proportion_To_Its_Side(int height, int width, double scale)
    {
        const int pictures = 6000;
        var policy = new ThreeAugment(height, width, Seed);
        var (grey, solarized, blurs) = (0, 0, new List<double>());
        var drawn = Draw(policy, [.. Enumerable.Range(0, pictures)]);
        for (var i = 0; i < pictures; i++)
        {
            var isGrey = policy.IsGrey(i, Epoch, View);
            var (blur, from) = (drawn[i][0], drawn[i][1]);
            new[] { isGrey, blur > 0, from == 128 }.Count(happens => happens).ShouldBe(1);
            if (from != 128) from.ShouldBe(float.PositiveInfinity);
            grey += isGrey ? 1 : 0;
            solarized += from == 128 ? 1 : 0;
            if (blur > 0) blurs.Add(blur / scale);
        }
        grey.ShouldBeInRange(1854, 2146); // four deviations from a third
        solarized.ShouldBeInRange(1854, 2146);
        blurs.Min().ShouldBeInRange(0.1 - 1e-6, 0.11);
        blurs.Max().ShouldBeInRange(1.99, 2 + 1e-6);
        blurs.Average().ShouldBe(1.05, 0.05);
    }

    [Fact]
    public void Draws_From_Seed_Epoch_Picture_And_View_Alone()
    {
        var many = Enumerable.Range(0, 40).ToArray();
        string Of(ThreeAugment policy, int[] pictures, int epoch = Epoch, int view = View) =>
            string.Join(' ', Draw(policy, pictures, epoch, view).Zip(pictures, (d, p) => $"{d[0]} {d[1]} {policy.IsGrey(p, epoch, view)}"));

        var policy = new ThreeAugment(Height, Width, Seed);
        var expected = Of(policy, many);
        string.Join(' ', Of(policy, many[..11]), Of(policy, many[11..])).ShouldBe(expected);
        Of(policy, many, epoch: Epoch + 1).ShouldNotBe(expected);
        Of(policy, many, view: View + 1).ShouldNotBe(expected);
        Of(new ThreeAugment(Height, Width, Seed + 1), many).ShouldNotBe(expected);
    }

    [Fact]
    public void Blurs_As_A_Gaussian_Over_What_Lies_Inside_Does()
    {
        using var scope = NewDisposeScope();
        float[] deviations = [0.4f, 1.3f, 0];
        var pixels = Numbers.Pixels(1, 3, 1, Height, Width);
        var given = pixels.Floats();
        var expected = new double[given.Length];
        for (var i = 0; i < 3; i++)
            for (var y = 0; y < Height; y++)
                for (var x = 0; x < Width; x++)
                {
                    var (sum, weights) = (0.0, 0.0);
                    for (var row = 0; row < Height; row++)
                        for (var column = 0; column < Width; column++)
                        {
                            var squared = (row - y) * (row - y) + (column - x) * (column - x);
                            var weight = squared == 0 ? 1 : deviations[i] == 0 ? 0 : Math.Exp(-squared / (2.0 * deviations[i] * deviations[i]));
                            weights += weight;
                            sum += weight * given[(i * Height + row) * Width + column];
                        }
                    expected[(i * Height + y) * Width + x] = sum / weights;
                }

        var blurred = Whole(pixels, tensor(deviations.SelectMany(d => new[] { d, float.PositiveInfinity }).ToArray(), [3, 2]));

        blurred.ShouldBeNear(tensor(expected, pixels.shape), 1e-3);
        blurred[2].ShouldEqual(pixels[2].to(ScalarType.Float32)); // bit for bit
    }

    [Fact]
    public void Mirrors_Values_From_128_On_In_The_Pictures_That_Are_Solarized()
    {
        using var scope = NewDisposeScope();
        var pixels = Numbers.Pixels(2, 2, 3, Height, Width);
        var expected = pixels.Floats();
        expected.ShouldContain(127);
        expected.ShouldContain(128);
        for (var i = 0; i < expected.Length / 2; i++)
            if (expected[i] >= 128) expected[i] = 255 - expected[i];

        Whole(pixels, tensor((float[])[0, 128, 0, float.PositiveInfinity], [2, 2])).ShouldEqual(tensor(expected, pixels.shape));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void Makes_Grey_Whom_The_Policy_Says_And_Nobody_Else(double strength)
    {
        using var scope = NewDisposeScope();
        int[] pictures = [.. Enumerable.Range(0, 400)];
        var policy = new ThreeAugment(Height, Width, Seed);
        var colours = new Augmentation(Options with { Colour = strength }, Height, Width, Seed).DrawColours(pictures, Epoch, View)!;
        var without = new ColourJitter(strength, 3, Seed).Draw(pictures, Epoch, View);
        var same = 0;
        for (var i = 0; i < pictures.Length; i++)
        {
            var rows = colours[i].Floats().Chunk(4).ToList();
            var isGrey = rows.All(row => row.SequenceEqual(rows[0]));
            isGrey.ShouldBe(policy.IsGrey(pictures[i], Epoch, View));
            for (var row = 0; row < 3 && strength == 0; row++) rows[row].ShouldBe(isGrey ? [.. Luma, 0] : Unit(row));
            same += colours[i].IsSameAs(without[i]) ? 1 : 0;
        }
        // All else is as it is drawn without a policy: the same for a third by a fifth that are grey either way, and for two thirds by four fifths that are not.
        ((double)same / pictures.Length).ShouldBe(1 / 15.0 + 8 / 15.0, 0.1);

        static float[] Unit(int at)
        {
            var row = new float[4];
            row[at] = 1;
            return row;
        }
    }

    [Fact]
    public void Leaves_Grey_Pictures_Their_One_Channel()
    {
        using var scope = NewDisposeScope();
        var colours = new Augmentation(Options, Height, Width, Seed, channels: 1).DrawColours([1, 2, 3, 4, 5, 6], Epoch, View)!;
        colours.Floats().ShouldBe([1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0]);
    }

    [Fact]
    public void Comes_Between_The_Crop_And_The_Colours_And_Changes_No_Draw_Of_Theirs()
    {
        using var scope = NewDisposeScope();
        int[] pictures = [.. Enumerable.Range(0, 12)];
        var pixels = Numbers.Pixels(4, pictures.Length, 3, Height, Width);
        var (plain, with) = (new Augmentation(new(), Height, Width, Seed), new Augmentation(Options with { Colour = 1 }, Height, Width, Seed));
        var (crops, policy, colours) = (with.Draw(pictures, Epoch, View), with.DrawPolicy(pictures, Epoch, View)!, with.DrawColours(pictures, Epoch, View)!);
        crops.ShouldEqual(plain.Draw(pictures, Epoch, View));
        plain.DrawPolicy(pictures, Epoch, View).ShouldBeNull();

        var blurred = ThreeAugment.BlurMatrix(policy, Height).unsqueeze(1).matmul(plain.Apply(pixels, crops)).matmul(ThreeAugment.BlurMatrix(policy, Width).transpose(1, 2).unsqueeze(1));
        // A blurred or solarized value may lie so near to 128 that rounding decides; none does here.
        using var constants = new DeviceConstants();
        with.Apply(pixels, crops, colours, policy).ShouldBeNear(ColourJitter.Apply(ThreeAugment.Solarize(blurred, policy), colours, constants), 1e-2);
    }

    private static Tensor Whole(Tensor pixels, Tensor policy)
    {
        var crops = tensor((float[])[0, 0, Height, Width, 0]).repeat(pixels.shape[0], 1);
        return new Augmentation(Options, Height, Width, Seed).Apply(pixels, crops, colours: null, policy);
    }

    private static List<float[]> Draw(ThreeAugment policy, int[] pictures, int epoch = Epoch, int view = View)
    {
        using var drawn = policy.Draw(pictures, epoch, view);
        return [.. drawn.Floats().Chunk(ThreeAugment.Values)];
    }
}
