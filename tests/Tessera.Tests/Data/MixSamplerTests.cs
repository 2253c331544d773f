using Tessera.Data;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using static TorchSharp.torch;

namespace Tessera.Tests.Data;

public sealed class MixSamplerTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    private const ulong Seed = 5;
    private const int Epoch = 2, Height = 24, Width = 40;
    private static readonly PixelNormalization AsTheyAre = new([0, 0, 0], [1 / 255.0, 1 / 255.0, 1 / 255.0]);

    [Theory]
    [InlineData(1, 0)]
    [InlineData(0, 1)]
    [InlineData(0.8, 1)]
    [InlineData(0.1, 0.1)]
    public void The_Share_Of_The_Labels_Is_That_Of_The_Pixels(double mixup, double cutMix)
    {
        using var scope = NewDisposeScope();
        const int pictures = 64; // white ones with an even number, black ones with an odd
        var white = full([1, 3, Height, Width], 255, ScalarType.Byte);
        var batch = Batch(new MixSampler(mixup, cutMix, Seed), cat([.. Enumerable.Range(0, pictures).Select(i => i % 2 == 0 ? white : zeros_like(white))]));

        var prepared = Prepared(new BatchPlan([new ViewPlan(null, null)]), batch);

        prepared.Labels!.Longs().ShouldBe(Enumerable.Range(0, pictures).Select(i => 100L + i));
        prepared.Mix!.Labels.Longs().ShouldBe(Enumerable.Range(0, pictures).Select(i => 100L + (i + 1) % pictures));
        var shares = prepared.Mix.Share.Floats();
        var means = prepared.Views[0].Pixels.mean([1L, 2L, 3L]).Floats();
        for (var i = 0; i < pictures; i++) (means[i] / 255).ShouldBe(i % 2 == 0 ? shares[i] : 1 - shares[i], 1e-5f);
        shares.ShouldAllBe(s => s >= 0 && s <= 1);
        shares.Distinct().Count().ShouldBeGreaterThan(pictures / 4);
    }

    [Fact]
    public void CutMix_Takes_The_Box_Of_The_Paper_From_The_Other_And_Leaves_The_Rest_Bit_For_Bit()
    {
        using var scope = NewDisposeScope();
        const int pictures = 40;
        var pixels = Numbers.Pixels(1, pictures, 3, Height, Width);
        var batch = Batch(new MixSampler(0, 1, Seed), pixels);
        var mixed = Prepared(new BatchPlan([new ViewPlan(null, null)]), batch).Views[0].Pixels.Floats();
        var shares = batch.Mix!.Shares.Floats();
        var given = pixels.Floats();
        var clipped = 0;
        for (var i = 0; i < pictures; i++)
        {
            // Equation 2: sides W sqrt(1 - λ) and H sqrt(1 - λ), about a point that is uniform over the picture.
            var random = new CounterRandom(Seed, RandomPurpose.Mix, Epoch, (uint)i);
            var side = Math.Sqrt(1 - BetaDistribution.Draw(ref random, 1));
            var (boxHeight, boxWidth) = ((int)Math.Round(Height * side), (int)Math.Round(Width * side));
            var (top, left) = (random.NextBelow(Height) - boxHeight / 2, random.NextBelow(Width) - boxWidth / 2);
            var covered = 0;
            for (var y = 0; y < Height; y++)
                for (var x = 0; x < Width; x++)
                {
                    var inside = y >= top && y < top + boxHeight && x >= left && x < left + boxWidth;
                    covered += inside ? 1 : 0;
                    for (var c = 0; c < 3; c++)
                        mixed[At(i, c, y, x)].ShouldBe(given[At(inside ? (i + 1) % pictures : i, c, y, x)]);
                }
            shares[i].ShouldBe(1 - (float)covered / (Height * Width), 1e-6f);
            clipped += covered < boxHeight * boxWidth ? 1 : 0;
        }
        clipped.ShouldBeInRange(1, pictures - 1); // both kinds are among them

        static int At(int picture, int channel, int y, int x) => ((picture * 3 + channel) * Height + y) * Width + x;
    }

    [Fact]
    public void Mixup_Weighs_Every_Pixel_Alike()
    {
        using var scope = NewDisposeScope();
        var pixels = Numbers.Pixels(2, 5, 3, Height, Width);
        var batch = Batch(new MixSampler(0.8, 0, Seed), pixels);
        var own = batch.Mix!.Shares.view(-1, 1, 1, 1).to(ScalarType.Float64);
        var values = pixels.to(ScalarType.Float64);
        var expected = values * own + values.roll(-1, 0) * (ones_like(own) - own);

        Prepared(new BatchPlan([new ViewPlan(null, null)]), batch).Views[0].Pixels.ShouldBeNear(expected, 1e-3);

        batch.Mix.Shares.Floats().ShouldAllBe(s => s > 0 && s < 1);
    }

    [Fact]
    public void Draws_One_Of_The_Two_With_Even_Chances_From_Its_Own_Distribution()
    {
        using var scope = NewDisposeScope();
        int[] pictures = [.. Enumerable.Range(0, 8000)];
        using var draw = new MixSampler(0.4, 1, Seed).Draw(pictures, Epoch, 100, 100, Nothing(), isOnly: false);
        var (shares, blends) = (draw.Shares.Floats(), draw.Blends.Floats());
        var boxes = draw.Boxes.Floats().Chunk(4).ToList();
        var mixedUp = Enumerable.Range(0, pictures.Length).Where(i => blends[i] < 1).ToList();
        mixedUp.Count.ShouldBeInRange(3821, 4179); // four deviations from a half
        mixedUp.ShouldAllBe(i => boxes[i][2] * boxes[i][3] == 0 && shares[i] == blends[i]);
        var spread = mixedUp.Select(i => (shares[i] - 0.5) * (shares[i] - 0.5)).Average();
        spread.ShouldBe(1 / (4 * (2 * 0.4 + 1)), 0.005); // the variance of Beta(α, α)
        var cut = Enumerable.Range(0, pictures.Length).Except(mixedUp).ToList();
        // A box of side s about a uniform point covers s - s²/4 of either side, and s² = 1 - λ is uniform: E (s - s²/4)² = 1/2 - 1/5 + 1/48.
        cut.Average(i => 1.0 - shares[i]).ShouldBe(0.5 - 0.2 + 1.0 / 48, 0.015);
    }

    [Fact]
    public void Draws_From_Seed_Epoch_And_Picture_Alone()
    {
        float[] Of(int[] pictures, int at, int epoch = Epoch, ulong seed = Seed)
        {
            using var draw = new MixSampler(0.8, 1, seed).Draw(pictures, epoch, Height, Width, Nothing(), isOnly: false);
            return [draw.Shares.Floats()[at], draw.Blends.Floats()[at], .. draw.Boxes.Floats()[(4 * at)..(4 * at + 4)]];
        }

        var expected = Of([4, 9, 2], at: 1);
        Of([9, 7], at: 0).ShouldBe(expected);
        Of([4, 9, 2], at: 0).ShouldNotBe(expected);
        Of([9, 7], at: 0, epoch: Epoch + 1).ShouldNotBe(expected);
        Of([9, 7], at: 0, seed: Seed + 1).ShouldNotBe(expected);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public void Parts_Of_A_Batch_Are_What_The_Whole_Is(int size)
    {
        using var scope = NewDisposeScope();
        var plan = Plan();
        using var batch = Load(plan, [3, 40, 11, 8, 25, 60, 17]);
        using var preparation = new BatchPreparation(plan, AsTheyAre, CPU);
        var whole = preparation.Prepare(batch);
        whole.Mix!.Share.Floats().ShouldContain(s => s < 1);

        var parts = Enumerable.Range(0, (batch.Count + size - 1) / size)
            .Select(i => preparation.Prepare(batch.Part((i * size)..Math.Min(batch.Count, (i + 1) * size)))).ToList();

        for (var view = 0; view < plan.Views.Count; view++)
            cat([.. parts.Select(p => p.Views[view].Pixels)]).ShouldBeNear(whole.Views[view].Pixels, 1e-3); // of 0 to 255
        cat([.. parts.Select(p => p.Labels!)]).ShouldEqual(whole.Labels!);
        cat([.. parts.Select(p => p.Mix!.Labels)]).ShouldEqual(whole.Mix.Labels);
        cat([.. parts.Select(p => p.Mix!.Share)]).ShouldEqual(whole.Mix.Share);
        cat([.. parts.Select(p => p.Paths!)]).ShouldEqual(whole.Paths!);
        var again = preparation.Prepare(batch.Part(1..6).Part(2..4)); // a part of a part
        again.Views[0].Pixels.ShouldBeNear(whole.Views[0].Pixels.narrow(0, 3, 2), 1e-3);
        again.Mix!.Labels.ShouldEqual(whole.Mix.Labels.narrow(0, 3, 2));
    }

    [Fact]
    public void Mixes_Views_That_Are_Cropped_And_Coloured_As_Each_Picture_Drew_Them()
    {
        using var scope = NewDisposeScope();
        var plan = Plan();
        using var batch = Load(plan, [3, 40, 11, 8]);
        var mixed = Prepared(plan, batch);
        var apart = Prepared(plan, batch with { Mix = null });
        apart.Mix.ShouldBeNull();
        var covered = BoxMask.Of(batch.Mix!.Boxes, 32, 32).to(ScalarType.Float32);
        var own = (ones_like(covered) - covered) * batch.Mix.Blends.view(-1, 1, 1, 1);
        for (var view = 0; view < plan.Views.Count; view++)
        {
            var pixels = apart.Views[view].Pixels;
            mixed.Views[view].Pixels.ShouldBeNear(pixels * own + pixels.roll(-1, 0) * (ones_like(own) - own), 1e-3);
        }
        mixed.Mix!.Labels.ShouldEqual(apart.Labels!.roll(-1, 0));
    }

    [Fact]
    public void Mixes_Pixels_That_Are_On_The_Device_As_Those_That_A_Batch_Brings()
    {
        using var scope = NewDisposeScope();
        var plan = Plan();
        int[] pictures = [3, 40, 11];
        using var brought = Load(plan, pictures);
        using var without = new BatchLoader(shapes.Images, plan, withPixels: false).Load(pictures, pictures.Length, Epoch).Single();
        using var resident = ResidentPixels.Place(shapes.Images, DataOnDevice.Yes, CPU);
        (without.Images, without.Mix!.Next.Images).ShouldBe((null, null));

        var expected = Prepared(plan, brought);
        var mixed = Prepared(plan, without, resident);

        mixed.Views[0].Pixels.ShouldEqual(expected.Views[0].Pixels);
        mixed.Mix!.Labels.ShouldEqual(expected.Mix!.Labels);
    }

    [Fact]
    public void Leaves_A_Picture_That_Is_Alone_As_It_Is()
    {
        using var scope = NewDisposeScope();
        var plan = Plan();
        using var batch = Load(plan, [3]);
        using var preparation = new BatchPreparation(plan, AsTheyAre, CPU);
        var mixed = preparation.Prepare(batch);
        mixed.Mix!.Share.Floats().ShouldBe([1f]);
        mixed.Mix.Labels.ShouldEqual(mixed.Labels!);
        mixed.Views[0].Pixels.ShouldEqual(preparation.Prepare(batch with { Mix = null }).Views[0].Pixels);
    }

    [Fact]
    public void Shares_The_Memory_Of_A_Batch_For_As_Long_As_Either_Is_Needed()
    {
        using var scope = NewDisposeScope();
        var plan = Plan();
        using var preparation = new BatchPreparation(plan, AsTheyAre, CPU);
        var batch = Load(plan, [3, 40, 11]);
        var expected = preparation.Prepare(batch);
        using var shared = batch.Share();
        batch.Dispose();
        preparation.Prepare(shared).Views[0].Pixels.ShouldEqual(expected.Views[0].Pixels);
        shared.Paths!.ShouldEqual(expected.Paths!);
    }

    [Theory]
    [InlineData(-0.1, 1)]
    [InlineData(1, double.NaN)]
    [InlineData(double.PositiveInfinity, 1)]
    [InlineData(0, 0)]
    public void Refuses_Alphas_That_Are_No_Distributions(double mixup, double cutMix) =>
        Should.Throw<ArgumentOutOfRangeException>(() => new MixSampler(mixup, cutMix, Seed));

    [Fact]
    public void Refuses_Views_Of_Another_Size()
    {
        var local = Augmentation.Local(new(), shapes.Images.Shape, 16, 16, Seed);
        Should.Throw<ArgumentException>(() => new BatchPlan([new ViewPlan(null, null), new ViewPlan(local, null)], Mix: new MixSampler(1, 1, Seed)))
            .Message.ShouldContain("local crops cannot be mixed");
    }

    private static BatchPlan Plan()
    {
        var augmentation = new Augmentation(new() { Colour = 1, Policy = AugmentationPolicy.ThreeAugment, Erasing = 0.7 }, 32, 32, Seed);
        return new([new ViewPlan(augmentation, null), new ViewPlan(null, null)], Labels: true, new MixSampler(0.8, 1, Seed), new DropPathSampler(0.5, 3, Seed));
    }

    private static PreparedBatch Prepared(BatchPlan plan, Batch batch, ResidentPixels? resident = null)
    {
        using var preparation = new BatchPreparation(plan, AsTheyAre, CPU, resident);
        return preparation.Prepare(batch);
    }

    private Batch Load(BatchPlan plan, int[] pictures) => new BatchLoader(shapes.Images, plan).Load(pictures, pictures.Length, Epoch).Single();

    /// <summary>A batch of those pixels, whose pictures are numbered from 0 and labelled from 100.</summary>
    private static Batch Batch(MixSampler mix, Tensor pixels)
    {
        var numbers = Enumerable.Range(0, (int)pixels.shape[0]).ToArray();
        var batch = new Batch(pixels, [new ViewDraw(null, null, null)], tensor(numbers.Select(n => 100L + n).ToArray()), tensor(numbers.Select(n => (long)n).ToArray()));
        return batch with { Mix = mix.Draw(numbers, Epoch, Height, Width, batch.Part(..1), isOnly: numbers.Length == 1) };
    }

    private static Batch Nothing() => new(null, [], null, zeros(1, ScalarType.Int64));
}
