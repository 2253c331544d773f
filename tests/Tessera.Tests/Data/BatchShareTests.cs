using Tessera.Data;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using static TorchSharp.torch;

namespace Tessera.Tests.Data;

public sealed class BatchShareTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    private static readonly PixelNormalization AsTheyAre = new([0, 0, 0], [1 / 255.0, 1 / 255.0, 1 / 255.0]);

    [Theory]
    [InlineData(256, 1)]
    [InlineData(256, 4)]
    [InlineData(10, 3)]
    [InlineData(7, 7)]
    [InlineData(int.MaxValue, 1000)]
    public void Shares_Cover_A_Batch_In_Order_And_Differ_By_One_At_Most(int batch, int ranks)
    {
        var shares = Enumerable.Range(0, ranks).Select(r => new BatchShare(r, ranks).Of(batch)).ToList();

        shares[0].Start.Value.ShouldBe(0);
        shares[^1].End.Value.ShouldBe(batch);
        for (var i = 1; i < ranks; i++) shares[i].Start.ShouldBe(shares[i - 1].End);
        var sizes = shares.Select(s => s.End.Value - s.Start.Value).ToList();
        (sizes.Max() - sizes.Min()).ShouldBeLessThanOrEqualTo(1);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(5)]
    public void What_Ranks_Load_Is_What_One_Loads_Cut_Apart_Mixed_Pictures_Too(int ranks)
    {
        using var scope = NewDisposeScope();
        var augmentation = new Augmentation(new() { Colour = 1 }, 32, 32, seed: 5);
        var masks = new MaskSampler(new MaskOptions(), new MaskedAutoencoderOptions { Encoder = new() { ImageHeight = 32, ImageWidth = 32 } }, seed: 5);
        var plan = new BatchPlan([new ViewPlan(augmentation, masks)], Labels: true, new MixSampler(0.8, 1, 5), new DropPathSampler(0.5, 3, 5));
        int[] pictures = [9, 4, 30, 2, 17, 5, 11, 3, 40, 21]; // two batches of five
        var whole = Prepared(null);

        var shared = Enumerable.Range(0, ranks).Select(r => Prepared(new BatchShare(r, ranks))).ToList();

        for (var b = 0; b < 2; b++)
        {
            shared.ShouldAllBe(s => s[b].Whole == 5);
            foreach (var of in new Func<PreparedBatch, Tensor>[]
                { p => p.Views[0].Pixels, p => p.Views[0].Mask!.Hidden, p => p.Labels!, p => p.Pictures, p => p.Mix!.Labels, p => p.Mix!.Share, p => p.Paths! })
                cat([.. shared.Select(s => of(s[b].Batch))]).ShouldEqual(of(whole[b].Batch));
        }

        List<(PreparedBatch Batch, int Whole)> Prepared(BatchShare? share)
        {
            using var preparation = new BatchPreparation(plan, AsTheyAre, CPU);
            var made = new List<(PreparedBatch, int)>();
            foreach (var batch in new BatchLoader(shapes.Images, plan, share: share).Load(pictures, 5, epoch: 1))
            {
                using (batch) made.Add((preparation.Prepare(batch.Part(..)), batch.Whole));
            }
            return made;
        }
    }

    [Fact]
    public void The_Only_Picture_Of_A_Batch_Is_Not_Mixed_And_The_Only_One_Of_A_Share_Is()
    {
        using var scope = NewDisposeScope();
        var plan = new BatchPlan([new ViewPlan(null, null)], Labels: true, new MixSampler(0.8, 1, 5));
        using var one = new BatchLoader(shapes.Images, plan).Load((int[])[3], 1, epoch: 0).Single();
        using var ofTwo = new BatchLoader(shapes.Images, plan, share: new BatchShare(1, 2)).Load((int[])[4, 3], 2, epoch: 0).Single();

        one.Mix!.Shares.Floats().ShouldBe([1]);
        ofTwo.Count.ShouldBe(1);
        ofTwo.Mix!.Shares.Floats()[0].ShouldBeLessThan(1);
        ofTwo.Mix.Next.Pictures.Longs().ShouldBe([4]);
    }
}
