using Tessera.Data;

namespace Tessera.Tests.Data;

public sealed class DropPathSamplerTests
{
    private const ulong Seed = 3;
    private const int Depth = 4, Epoch = 1;

    [Fact]
    public void The_Rate_Rises_From_0_In_The_First_Block_To_The_Largest_In_The_Last()
    {
        new DropPathSampler(0.3, Depth, Seed).Rates.Select(r => Math.Round(r, 12)).ShouldBe([0, 0.1, 0.2, 0.3]);
        new DropPathSampler(0.3, 1, Seed).Rates.ShouldBe([0]); // as timm's linspace
        new DropPathSampler(0, 2, Seed).Rates.ShouldBe([0, 0]);
    }

    [Fact]
    public void A_Branch_Counts_1_On_Average_And_Is_Skipped_As_Often_As_Its_Rate_Says()
    {
        const int pictures = 20_000;
        var sampler = new DropPathSampler(0.6, Depth, Seed);
        var rows = Draw(sampler, [.. Enumerable.Range(0, pictures)]);
        for (var branch = 0; branch < 2 * Depth; branch++)
        {
            var rate = sampler.Rates[branch / 2];
            var kept = (float)(1 / (1 - rate));
            rows.ShouldAllBe(row => row[branch] == 0 || row[branch] == kept);
            var deviation = Math.Sqrt(rate * (1 - rate) / pictures);
            ((double)rows.Count(row => row[branch] == 0) / pictures).ShouldBe(rate, 4 * deviation);
            rows.Average(row => row[branch]).ShouldBe(1, 4 * deviation * kept + 1e-6);
        }
        // Attention and MLP of one block are skipped each by itself, and so are the blocks.
        foreach (var (one, other) in ((int, int)[])[(6, 7), (5, 7), (4, 5)])
            ((double)rows.Count(row => row[one] == 0 && row[other] == 0) / pictures).ShouldBe(sampler.Rates[one / 2] * sampler.Rates[other / 2], 0.014);
    }

    [Fact]
    public void Draws_From_Seed_Epoch_And_Picture_Alone()
    {
        var sampler = new DropPathSampler(0.9, 32, Seed);
        var expected = Draw(sampler, [4, 9, 2])[1];
        Draw(sampler, [9])[0].ShouldBe(expected);
        Draw(sampler, [4])[0].ShouldNotBe(expected);
        Draw(sampler, [9], Epoch + 1)[0].ShouldNotBe(expected);
        Draw(new DropPathSampler(0.9, 32, Seed + 1), [9])[0].ShouldNotBe(expected);
    }

    [Theory]
    [InlineData(-0.1, 2)]
    [InlineData(1, 2)]
    [InlineData(double.NaN, 2)]
    [InlineData(0.5, 0)]
    public void Refuses_A_Rate_That_Leaves_Nothing_And_A_Model_Without_Blocks(double largest, int depth) =>
        Should.Throw<ArgumentOutOfRangeException>(() => new DropPathSampler(largest, depth, Seed));

    private static List<float[]> Draw(DropPathSampler sampler, int[] pictures, int epoch = Epoch)
    {
        using var scales = sampler.Draw(pictures, epoch);
        scales.shape.ShouldBe([pictures.Length, 2 * sampler.Rates.Count]);
        return [.. scales.Floats().Chunk(2 * sampler.Rates.Count)];
    }
}
