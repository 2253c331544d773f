using FsCheck.Xunit;

namespace Tessera.Imaging.Tests;

public sealed class CounterRandomTests
{
    // Random123's own known answers: kat_vectors, philox4x32 with 10 rounds. The third are digits of pi.
    [Theory]
    [InlineData(0u, 0u, 0u, 0u, 0u, 0u, 0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u)]
    [InlineData(~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu)]
    [InlineData(
        0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u, 0xa4093822u, 0x299f31d0u, 0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u)]
    public void Gives_The_Published_Answers(
        uint c0, uint c1, uint c2, uint c3, uint k0, uint k1, uint r0, uint r1, uint r2, uint r3)
    {
        var block = CounterRandom.Philox((ulong)k1 << 32 | k0, c0, c1, c2, c3);
        ((uint)block, (uint)(block >> 32), (uint)(block >> 64), (uint)(block >> 96)).ShouldBe((r0, r1, r2, r3));
    }

    [Fact]
    public void Hands_Out_The_Words_Of_Successive_Blocks()
    {
        var random = new CounterRandom(12345678901234, RandomPurpose.Mask, epoch: 3, index: 7);
        for (var draw = 0; draw < 40; draw++)
        {
            var block = CounterRandom.Philox(12345678901234, (uint)(draw / 4), 7, 3, (uint)RandomPurpose.Mask);
            random.NextUInt32().ShouldBe((uint)(block >> 32 * (draw % 4)));
        }
    }

    [Fact]
    public void Does_Not_Depend_On_The_Order_In_Which_Sequences_Are_Drawn()
    {
        var (first, second) = (Sequence(1), Sequence(2));
        var (alone1, alone2) = (Take(ref first, 9), Take(ref second, 9));

        (first, second) = (Sequence(1), Sequence(2));
        var (mixed1, mixed2) = (new List<uint>(), new List<uint>());
        for (var i = 0; i < 9; i++)
        {
            mixed2.Add(second.NextUInt32());
            mixed1.Add(first.NextUInt32());
        }

        mixed1.ShouldBe(alone1);
        mixed2.ShouldBe(alone2);

        static CounterRandom Sequence(uint index) => new(5, RandomPurpose.Shuffle, 0, index);
    }

    [Fact]
    public void Gives_Another_Sequence_For_Another_Seed_Purpose_Epoch_Or_Index()
    {
        CounterRandom[] sequences =
        [
            new(1, RandomPurpose.Mask, 1, 1), new(2, RandomPurpose.Mask, 1, 1), new(1ul << 32 | 1, RandomPurpose.Mask, 1, 1),
            new(1, RandomPurpose.MaskTokens, 1, 1), new(1, RandomPurpose.Mask, 2, 1), new(1, RandomPurpose.Mask, 1, 2),
        ];
        var drawn = sequences.Select(s => string.Join(',', Take(ref s, 4))).ToList();
        drawn.Distinct().Count().ShouldBe(sequences.Length);
    }

    [Property]
    public bool Draws_Within_Any_Bound(ulong seed, FsCheck.PositiveInt bound)
    {
        var random = new CounterRandom(seed, RandomPurpose.Shuffle, 0, 0);
        return Enumerable.Range(0, 50).All(_ => random.NextBelow(bound.Get) is var drawn && drawn >= 0 && drawn < bound.Get);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    [InlineData(3 << 29)] // a third of the raw draws must be refused
    [InlineData((1 << 30) + 1)]
    [InlineData(int.MaxValue)]
    public void Refuses_The_Draws_That_Would_Favour_Some_Numbers(int bound)
    {
        var random = new CounterRandom(77, RandomPurpose.Shuffle, 0, 0);
        var raw = new CounterRandom(77, RandomPurpose.Shuffle, 0, 0);
        for (var i = 0; i < 2000; i++)
        {
            // Of the 2^32 products, the first 2^32 mod bound of each remainder class are one too many.
            ulong product;
            do product = (ulong)raw.NextUInt32() * (ulong)bound;
            while (product % (1ul << 32) < (1ul << 32) % (ulong)bound);
            random.NextBelow(bound).ShouldBe((int)(product >> 32));
        }
    }

    [Fact]
    public void Draws_Each_Number_Equally_Often()
    {
        var random = new CounterRandom(3, RandomPurpose.Shuffle, 0, 0);
        var counts = new int[7];
        for (var i = 0; i < 70_000; i++) counts[random.NextBelow(7)]++;
        counts.Sum(c => Math.Pow(c - 10_000, 2) / 10_000).ShouldBeLessThan(22.46); // chi-square, 6 degrees, p = .001
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public void Refuses_A_Bound_Below_One(int bound) =>
        Should.Throw<ArgumentOutOfRangeException>(() => new CounterRandom(0, RandomPurpose.Mask, 0, 0).NextBelow(bound));

    [Property]
    public bool Shuffles_Into_A_Permutation(ulong seed, int[] values)
    {
        var shuffled = values.ToArray();
        new CounterRandom(seed, RandomPurpose.Shuffle, 0, 0).Shuffle(shuffled);
        return shuffled.Order().SequenceEqual(values.Order());
    }

    [Fact]
    public void Shuffles_Into_Each_Order_Equally_Often()
    {
        var counts = new Dictionary<string, int>();
        for (var i = 0u; i < 24_000; i++)
        {
            int[] values = [1, 2, 3, 4];
            new CounterRandom(8, RandomPurpose.Shuffle, 0, i).Shuffle(values);
            var order = string.Concat(values);
            counts[order] = counts.GetValueOrDefault(order) + 1;
        }
        counts.Count.ShouldBe(24);
        counts.Values.Sum(c => Math.Pow(c - 1000, 2) / 1000).ShouldBeLessThan(49.73); // chi-square, 23 degrees, p = .001
    }

    [Fact]
    public void Fills_With_Numbers_Of_The_Normal_Distribution()
    {
        var values = new float[200_001]; // odd: the last pair is used by half
        new CounterRandom(4, RandomPurpose.Weights, 0, 0).FillNormal(values, 0.5);

        var scaled = values.Select(v => v / 0.5).ToList();
        scaled.Average().ShouldBe(0, 0.01);
        scaled.Average(v => v * v).ShouldBe(1, 0.015);
        scaled.Average(v => v * v * v).ShouldBe(0, 0.03);
        scaled.Average(v => v * v * v * v).ShouldBe(3, 0.1);
        (scaled.Count(v => Math.Abs(v) < 1) / (double)scaled.Count).ShouldBe(0.6827, 0.005);
    }

    [Fact]
    public void Fills_With_Uniform_Numbers_Up_To_The_Limit()
    {
        var values = new float[100_000];
        new CounterRandom(4, RandomPurpose.Weights, 0, 0).FillUniform(values, 3);

        values.ShouldAllBe(v => v >= -3 && v <= 3);
        values.Average().ShouldBe(0, 0.03f);
        values.Average(v => v * v).ShouldBe(3, 0.03f); // limit² / 3
    }

    private static List<uint> Take(ref CounterRandom random, int count)
    {
        var drawn = new List<uint>();
        for (var i = 0; i < count; i++) drawn.Add(random.NextUInt32());
        return drawn;
    }
}
