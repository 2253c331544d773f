using Tessera.Data;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Tests.Fixtures;

namespace Tessera.Tests.Data;

public sealed class BatchLoaderTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    private static readonly MaskSampler Masks = new(
        new MaskOptions(), new MaskedAutoencoderOptions { Encoder = new() { ImageHeight = 32, ImageWidth = 32 } }, seed: 4);

    private readonly PackedImages images = shapes.Images;

    [Theory]
    [InlineData(1)]
    [InlineData(9)] // the last batch is smaller
    [InlineData(100)]
    public void Hands_Over_Each_Picture_Once_With_Its_Own_Pixels_Crop_And_Mask(int batchSize)
    {
        var augmentation = new Augmentation(new(), 32, 32, seed: 4);
        var order = BatchLoader.Shuffled(Enumerable.Range(0, 20).ToArray(), seed: 4, epoch: 2);
        var seen = new List<int>();
        foreach (var batch in new BatchLoader(images, new BatchPlan([new ViewPlan(augmentation, Masks)])).Load(order, batchSize, epoch: 2))
        {
            using var owned = batch;
            batch.Images!.shape.ShouldBe([batch.Count, 3, 32, 32]);
            for (var i = 0; i < batch.Count; i++)
            {
                var picture = (int)batch.Pictures[i].item<long>();
                seen.Add(picture);
                batch.Images[i].contiguous().bytes.SequenceEqual(images.Pixels(picture)).ShouldBeTrue();
                using var crop = augmentation.Draw([picture], 2);
                var view = batch.Views.ShouldHaveSingleItem();
                view.Crops![i].ShouldEqual(crop[0]);
                using var mask = Masks.Draw([picture], 2);
                view.Mask!.Hidden[i].ShouldEqual(mask.Hidden[0]);
            }
        }
        seen.ShouldBe(order);
    }

    [Fact]
    public void Takes_Pictures_Whole_Without_Augmentation()
    {
        using var batch = new BatchLoader(images, BatchPlan.Whole(Masks)).Load((int[])[3], 1, epoch: 0).Single();
        batch.Views.ShouldHaveSingleItem().Crops.ShouldBeNull();
        batch.Labels.ShouldBeNull();
    }

    [Fact]
    public void Draws_Each_View_For_Itself_And_Brings_Labels_Where_They_Are_Wanted()
    {
        var augmentation = new Augmentation(new(), 32, 32, seed: 4);
        var plan = new BatchPlan([new ViewPlan(augmentation, Masks), new ViewPlan(augmentation, null), new ViewPlan(null, Masks)], Labels: true);
        int[] pictures = [7, 2, 11];

        using var batch = new BatchLoader(images, plan).Load(pictures, 3, epoch: 5).Single();

        batch.Labels!.Longs().ShouldBe(pictures.Select(p => (long)images.Labels[p]));
        batch.Views.Select(v => (v.Crops is null, v.Mask is null)).ShouldBe([(false, false), (false, true), (true, false)]);
        using var second = augmentation.Draw(pictures, 5, view: 1);
        batch.Views[1].Crops!.ShouldEqual(second);
        batch.Views[0].Crops!.IsSameAs(second).ShouldBeFalse();
        using var third = Masks.Draw(pictures, 5, view: 2);
        batch.Views[2].Mask!.Hidden.ShouldEqual(third.Hidden);
        batch.Views[2].Mask!.Tokens.ShouldEqual(third.Tokens);
        batch.Views[0].Mask!.Hidden.IsSameAs(third.Hidden).ShouldBeFalse();
    }

    [Fact]
    public void Orders_An_Epoch_By_Seed_And_Epoch()
    {
        int[] pictures = [.. Enumerable.Range(10, 50)];
        var order = BatchLoader.Shuffled(pictures, 1, 0);
        order.Order().ShouldBe(pictures);
        order.ShouldNotBe(pictures);
        BatchLoader.Shuffled(pictures, 1, 0).ShouldBe(order);
        BatchLoader.Shuffled(pictures, 1, 1).ShouldNotBe(order);
        BatchLoader.Shuffled(pictures, 2, 0).ShouldNotBe(order);
    }

    [Fact]
    public void Takes_A_Subset_In_Ascending_Order()
    {
        int[] pictures = [.. Enumerable.Range(10, 50)];
        var subset = BatchLoader.Subset(pictures, 7, seed: 1);
        subset.Length.ShouldBe(7);
        subset.Distinct().Order().ShouldBe(subset);
        subset.ShouldBeSubsetOf(pictures);
        BatchLoader.Subset(pictures, 7, seed: 2).ShouldNotBe(subset);
        BatchLoader.Subset(pictures, null, seed: 1).ShouldBe(pictures);
        BatchLoader.Subset(pictures, 50, seed: 1).ShouldBe(pictures);
        BatchLoader.Subset(pictures, 99, seed: 1).ShouldBe(pictures);
    }

    [Fact]
    public void Surfaces_The_Loaders_Fault_After_The_Batches_Before_It()
    {
        var loaded = new List<int>();
        var fault = Should.Throw<ArgumentOutOfRangeException>(() =>
        {
            foreach (var batch in new BatchLoader(images, BatchPlan.Whole(Masks)).Load((int[])[1, 2, 3, 4, 1000, 5], 2, epoch: 0))
            {
                using var owned = batch;
                loaded.AddRange(batch.Pictures.data<long>().Select(p => (int)p));
            }
        });
        fault.Message.ShouldContain("there is no number 1000");
        loaded.ShouldBe([1, 2, 3, 4]);
    }

    [Fact]
    public void Starts_Nothing_Before_It_Is_Asked_And_Loads_Nothing_From_Nothing() =>
        new BatchLoader(images, BatchPlan.Whole(Masks)).Load(ReadOnlyMemory<int>.Empty, 4, epoch: 0).ShouldBeEmpty();
}
