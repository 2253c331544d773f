using Tessera.Data;
using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Tests.Data;

public sealed class RandomErasingTests
{
    private const ulong Seed = 7;
    private const int Epoch = 3, View = 1, Height = 12, Width = 20;

    [Theory]
    [InlineData(0.25, 64, 64)]
    [InlineData(1, 96, 64)]
    public void Draws_Rectangles_Of_The_Shares_And_Aspects_Of_The_Recipe(double probability, int height, int width)
    {
        const int pictures = 6000;
        var drawn = Draw(new(probability, height, width, Seed), [.. Enumerable.Range(0, pictures)]);
        var boxes = drawn.Where(box => box[2] * box[3] > 0).ToList();
        var deviation = Math.Sqrt(probability * (1 - probability) / pictures);
        ((double)boxes.Count / pictures).ShouldBe(probability, 4 * deviation + 1e-9); // ten attempts always find one here
        foreach (var box in boxes)
        {
            box[0].ShouldBeInRange(0, height - box[2]);
            box[1].ShouldBeInRange(0, width - box[3]);
        }
        var shares = boxes.ConvertAll(box => (double)box[2] * box[3] / (height * width));
        shares.Min().ShouldBeInRange(0.015, 0.03); // sides are whole pixels
        shares.Max().ShouldBeInRange(0.31, 0.345);
        var aspects = boxes.ConvertAll(box => Math.Log(box[2] / box[3]));
        aspects.Min().ShouldBeInRange(Math.Log(0.25), Math.Log(0.33));
        aspects.Max().ShouldBeInRange(Math.Log(2.9), Math.Log(3.8));
        if (height != width) return; // where long sides fit less well, fewer of them are drawn
        shares.Average().ShouldBe(0.175, 0.01);
        aspects.Average().ShouldBe((Math.Log(0.3) + Math.Log(3.3)) / 2, 0.08);
        boxes.Average(box => box[0] + box[2] / 2).ShouldBe(height / 2f, 2); // anywhere
    }

    [Fact]
    public void Gives_Up_Where_No_Rectangle_Fits() =>
        Draw(new(1, 1, 400, Seed), [.. Enumerable.Range(0, 50)]).ShouldAllBe(box => box.SequenceEqual(new float[4]));

    [Fact]
    public void Draws_From_Seed_Epoch_Picture_And_View_Alone()
    {
        var expected = Draw(new(1, 64, 64, Seed), [4, 9, 2])[1];
        Draw(new(1, 64, 64, Seed), [9])[0].ShouldBe(expected);
        Draw(new(1, 64, 64, Seed), [4])[0].ShouldNotBe(expected);
        Draw(new(1, 64, 64, Seed), [9], Epoch + 1)[0].ShouldNotBe(expected);
        Draw(new(1, 64, 64, Seed), [9], Epoch, View + 1)[0].ShouldNotBe(expected);
        Draw(new(1, 64, 64, Seed + 1), [9])[0].ShouldNotBe(expected);
        Draw(new(0.99999, 64, 64, Seed), [9])[0].ShouldBe(expected); // how often tells nothing of which
    }

    [Fact]
    public void Makes_The_Rectangle_The_Mean_Colour_And_Leaves_The_Rest_Bit_For_Bit()
    {
        using var scope = NewDisposeScope();
        int[] pictures = [.. Enumerable.Range(0, 30)];
        var pixels = Numbers.Pixels(1, pictures.Length, 3, Height, Width);
        var normalization = new PixelNormalization([0.5, 0.25, 0.75], [0.2, 0.3, 0.4]);
        var augmentation = new Augmentation(new() { Erasing = 0.8, SmallestCrop = 1, Flip = false }, Height, Width, Seed);
        var plan = new BatchPlan([new ViewPlan(augmentation, null)]);
        var draw = augmentation.DrawView(pictures, Epoch, 0, mask: null);
        var batch = new Batch(pixels, [draw], null, tensor(pictures.Select(p => (long)p).ToArray()));
        using var preparation = new BatchPreparation(plan, normalization, CPU);
        var values = preparation.Prepare(batch).Views[0].Pixels;
        var untouched = preparation.Prepare(batch with { Views = [draw with { Erased = null }] }).Views[0].Pixels;
        var (erased, whole, boxes) = (values.Floats(), untouched.Floats(), draw.Erased!.Floats().Chunk(4).ToList());

        for (var i = 0; i < erased.Length; i++)
        {
            var (box, y, x) = (boxes[i / (3 * Height * Width)], i / Width % Height, i % Width);
            var inside = y >= box[0] && y < box[0] + box[2] && x >= box[1] && x < box[1] + box[3];
            erased[i].ShouldBe(inside ? 0 : whole[i]);
        }
        var first = boxes.FindIndex(box => box[2] > 0);
        var shown = normalization.ToUnitRange(values)[first];
        shown.select(1, (long)boxes[first][0]).select(1, (long)boxes[first][1]).Floats().ShouldBe([0.5f, 0.25f, 0.75f]);
        boxes.ShouldContain(box => box[2] == 0);
    }

    [Fact]
    public void Draws_Nothing_Where_Nothing_Is_Ever_Erased() => new Augmentation(new(), Height, Width, Seed).DrawErased([1, 2], Epoch).ShouldBeNull();

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1.1)]
    [InlineData(double.NaN)]
    public void Refuses_What_Is_No_Probability(double erasing) =>
        new AugmentationOptions { Erasing = erasing }.Faults().ShouldBe([$"the probability of erasing is {erasing}: it must be from 0 to 1"]);

    [Fact]
    public void Refuses_A_Policy_That_Is_None() =>
        new AugmentationOptions { Policy = (AugmentationPolicy)7 }.Faults().ShouldBe(["there is no augmentation policy 7"]);

    private static List<float[]> Draw(RandomErasing erasing, int[] pictures, int epoch = Epoch, int view = View)
    {
        using var drawn = erasing.Draw(pictures, epoch, view);
        return [.. drawn.Floats().Chunk(4)];
    }
}
