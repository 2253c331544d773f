using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;

namespace Tessera.Tests.Masking;

public sealed class MaskSamplerTests
{
    private const int Patch = 4;

    public static TheoryData<string> Strategies => [.. MaskingStrategy.Named.Keys];

    [Property(MaxTest = 300)]
    public Property Hides_Exactly_The_Stated_Number_And_Shows_The_Rest() => Prop.ForAll(Cases.ToArbitrary(), one =>
    {
        var (strategy, ratio, rows, columns, unit, seed) = one;
        var masks = Sampler(rows * unit, columns * unit, strategy, ratio, unit, seed: seed);
        var units = Math.Clamp((int)Math.Floor(ratio * rows * columns + 0.5), 1, rows * columns - 1);
        masks.HiddenCount.ShouldBe(units * unit * unit);
        masks.VisibleCount.ShouldBe(rows * columns * unit * unit - masks.HiddenCount);

        using var mask = masks.Draw([0, 7, 1_000_000], epoch: 2);

        mask.Hidden.shape.ShouldBe([3, masks.HiddenCount]);
        mask.Visible.shape.ShouldBe([3, masks.VisibleCount]);
        for (var i = 0; i < 3; i++)
        {
            var (hidden, visible) = (mask.Hidden[i].Longs(), mask.Visible[i].Longs());
            hidden.ShouldBeInOrder(SortDirection.Ascending);
            visible.ShouldBeInOrder(SortDirection.Ascending);
            hidden.Concat(visible).Order().ShouldBe(Enumerable.Range(0, masks.PatchCount).Select(p => (long)p));
            ShouldHideUnitsWhole(hidden, columns, unit);
        }
    });

    [Theory]
    [MemberData(nameof(Strategies))]
    public void Draws_Another_Mask_For_Each_Picture_Epoch_And_Seed(string strategy)
    {
        using var pictures = Sampler(14, 14, strategy, ratio: 0.7).Draw([0, 1, 2, 3], epoch: 0);
        using var later = Sampler(14, 14, strategy, ratio: 0.7).Draw([0], epoch: 1);
        using var seeded = Sampler(14, 14, strategy, ratio: 0.7, seed: 2).Draw([0], epoch: 0);

        var masks = Enumerable.Range(0, 4).Select(i => pictures.Hidden[i]).Append(later.Hidden[0]).Append(seeded.Hidden[0]);
        masks.Select(m => string.Join(',', m.Longs())).Distinct().Count().ShouldBe(6);
    }

    [Theory]
    [MemberData(nameof(Strategies))]
    public void Does_Not_Let_A_Mask_Depend_On_The_Batch(string strategy)
    {
        var masks = Sampler(8, 8, strategy);
        using var together = masks.Draw([5, 9, 2], epoch: 3);
        using var alone = Sampler(8, 8, strategy).Draw([9], epoch: 3);

        alone.Hidden[0].ShouldEqual(together.Hidden[1]);
        alone.Visible[0].ShouldEqual(together.Visible[1]);
        alone.Tokens[0].ShouldEqual(together.Tokens[1]);
    }

    [Theory]
    [InlineData(0.75, 3)]
    [InlineData(0.5, 2)]
    public void Spreads_A_Grid_Evenly_Over_Each_Two_By_Two(double ratio, int hiddenOfFour)
    {
        using var mask = Sampler(8, 8, "grid", ratio).Draw([.. Enumerable.Range(0, 30)], epoch: 1);
        var visibleCorners = new HashSet<long>();
        for (var i = 0; i < 30; i++)
        {
            var hidden = mask.Hidden[i].Longs();
            foreach (var cell in hidden.GroupBy(p => (p / 16, p % 8 / 2))) cell.Count().ShouldBe(hiddenOfFour);
            visibleCorners.UnionWith(mask.Visible[i].Longs().Select(p => p / 8 % 2 * 2 + p % 2));
        }
        visibleCorners.Count.ShouldBe(4); // each corner is seen in some picture
    }

    [Fact]
    public void Hides_Each_Place_Equally_Often_At_Random()
    {
        using var mask = Sampler(4, 4, "random", 0.25).Draw([.. Enumerable.Range(0, 4000)], epoch: 0);
        var counts = mask.Hidden.Longs().CountBy(p => p).ToDictionary();
        for (var place = 0; place < 16; place++) ((double)counts[place]).ShouldBe(1000, 110); // four deviations
    }

    [Fact]
    public void Hides_Blocks_That_Hang_Together()
    {
        using var mask = Sampler(14, 14, "block", 0.4).Draw([.. Enumerable.Range(0, 50)], epoch: 0);
        var (pairs, both, lonely) = (0, 0, 0);
        for (var i = 0; i < 50; i++)
        {
            var hidden = mask.Hidden[i].Longs().ToHashSet();
            foreach (var place in hidden)
            {
                var neighbours = Neighbours(place, 14).ToList();
                pairs += neighbours.Count;
                both += neighbours.Count(hidden.Contains);
                if (!neighbours.Any(hidden.Contains)) lonely++;
            }
        }
        (both / (double)pairs).ShouldBeGreaterThan(0.7); // at random it would be .4
        lonely.ShouldBeLessThan(5); // of 50 × 78: the last block may be cut after its first unit
    }

    [Fact]
    public void Hides_One_Rectangle_When_The_First_Block_Is_Enough()
    {
        // BEiT's smallest block is 16 of 14 × 14: asked for 9, it is cut, and its rows lie under each other.
        for (var picture = 0u; picture < 50; picture++)
        {
            var hidden = new bool[14 * 14];
            var random = new CounterRandom(6, RandomPurpose.Mask, 0, picture);
            new BlockMasking().Hide(hidden, 14, 14, 9, ref random);

            var rows = Enumerable.Range(0, 14).Select(r => Enumerable.Range(0, 14).Where(c => hidden[r * 14 + c]).ToList())
                .Where(r => r.Count > 0).ToList();
            rows.Sum(r => r.Count).ShouldBe(9);
            rows.ShouldAllBe(r => r.Last() - r[0] == r.Count - 1 && r[0] == rows[0][0]);
            rows.SkipLast(1).ShouldAllBe(r => r.Count == rows[0].Count);
        }
    }

    [Fact]
    public void Draws_All_Tokens_Place_By_Place()
    {
        using var mask = Sampler(8, 8, "random", tokens: 5).Draw([.. Enumerable.Range(0, 100)], epoch: 0);
        mask.Tokens.shape.ShouldBe([100, 48]);
        var counts = mask.Tokens.Longs().CountBy(t => t).ToDictionary();
        counts.Keys.Order().ShouldBe([0L, 1, 2, 3, 4]);
        counts.Values.ShouldAllBe(c => Math.Abs(c - 960) < 120); // 4800 / 5, four deviations
        mask.Tokens[0].Longs().Distinct().Count().ShouldBeGreaterThan(1);

        using var single = Sampler(8, 8, "random", tokens: 1).Draw([0, 1], epoch: 0);
        single.Tokens.Longs().ShouldAllBe(t => t == 0);
    }

    [Fact]
    public void Brings_A_Sequence_Back_To_Raster_Order()
    {
        using var mask = Sampler(3, 5, "random", 0.6).Draw([4, 8], epoch: 0);
        var places = TorchSharp.torch.cat([mask.Visible, mask.Hidden], dim: 1).unsqueeze(2); // each place tells its own number

        mask.ToRasterOrder(places)[1].Longs().ShouldBe(Enumerable.Range(0, 15).Select(p => (long)p));
        mask.ToRasterOrder(places)[0].Longs().ShouldBe(Enumerable.Range(0, 15).Select(p => (long)p));
    }

    [Fact]
    public void Says_All_That_Is_Wrong_With_The_Options()
    {
        Faults(new MaskOptions { Ratio = 0 }).ShouldBe(["the mask ratio is 0: it must be above 0 and below 1"]);
        Faults(new MaskOptions { Ratio = 1, Masking = "stripes" }).ShouldBe(
            ["the mask ratio is 1: it must be above 0 and below 1", "there is no masking 'stripes': choose random, block, grid"]);
        Faults(new MaskOptions { Ratio = double.NaN }).ShouldBe(["the mask ratio is NaN: it must be above 0 and below 1"]);
        Faults(new MaskOptions { Unit = 6 }).ShouldBe(["the mask unit 6 must be a multiple of the patch size 4"]);
        Faults(new MaskOptions { Unit = 2 }).ShouldBe(["the mask unit 2 must be a multiple of the patch size 4"]);
        Faults(new MaskOptions { Unit = 12 }).ShouldBe(["the image size 16x32 must be a multiple of the mask unit 12"]);
        new MaskOptions { Unit = 16 }.Faults(16, 16, Patch).ShouldBe(["the mask unit 16 covers the whole picture of 16x16: nothing would stay visible"]);
        new MaskOptions().Faults(Patch, Patch, Patch).ShouldBe(["the mask unit 4 covers the whole picture of 4x4: nothing would stay visible"]);
        Faults(new MaskOptions()).ShouldBeEmpty();

        static IEnumerable<string> Faults(MaskOptions options) => options.Faults(16, 32, Patch);
    }

    [Fact]
    public void Refuses_Options_That_Do_Not_Fit_The_Pictures() =>
        Should.Throw<ArgumentException>(() => Sampler(4, 4, "stripes", ratio: 2))
            .Message.ShouldBe("the mask ratio is 2: it must be above 0 and below 1; "
                + "there is no masking 'stripes': choose random, block, grid (Parameter 'options')");

    private static Gen<(string, double, int, int, int, ulong)> Cases =>
        from strategy in Gen.Elements(MaskingStrategy.Named.Keys)
        from percent in Gen.Choose(1, 999)
        from rows in Gen.Choose(1, 15)
        from columns in Gen.Choose(rows == 1 ? 2 : 1, 15)
        from unit in Gen.Choose(1, 3)
        from seed in Gen.Choose(0, 1000)
        select (strategy, percent / 1000.0, rows, columns, unit, (ulong)seed);

    private static MaskSampler Sampler(
        int rows, int columns, string strategy, double ratio = 0.75, int unit = 1, int tokens = 16, ulong seed = 1) =>
        new(new MaskOptions { Ratio = ratio, Masking = strategy, Unit = unit == 1 ? null : unit * Patch },
            new MaskedAutoencoderOptions
            {
                MaskTokens = tokens,
                Encoder = new() { ImageHeight = rows * Patch, ImageWidth = columns * Patch, PatchSize = Patch },
            },
            seed);

    private static void ShouldHideUnitsWhole(long[] hidden, int columns, int unit)
    {
        var width = columns * unit;
        foreach (var whole in hidden.GroupBy(p => (p / width / unit, p % width / unit))) whole.Count().ShouldBe(unit * unit);
    }

    private static IEnumerable<long> Neighbours(long place, int side)
    {
        var (row, column) = (place / side, place % side);
        if (row > 0) yield return place - side;
        if (row < side - 1) yield return place + side;
        if (column > 0) yield return place - 1;
        if (column < side - 1) yield return place + 1;
    }
}
