using Tessera.Models;
using Tessera.Runs;
using Tessera.Training;

namespace Tessera.Tests.Training;

public sealed class BatchPartsTests
{
    [Theory]
    [InlineData("vit-tiny", 128, 2)]
    [InlineData("vit-tiny", 127, 2)]
    [InlineData("vit-tiny", 1, 2)]
    [InlineData("vit-tiny", 3, 16)]
    [InlineData("vit-small", 256, 2)]
    [InlineData("vit-large", 100, 4)]
    [InlineData("vit-micro", 4096, 8)]
    public void Cover_The_Batch_Without_Gap_Or_Overlap(string model, int batch, int workers)
    {
        var parts = Parts(model, batch, workers);
        parts[0].Start.Value.ShouldBe(0);
        parts[^1].End.Value.ShouldBe(batch);
        parts.Zip(parts.Skip(1)).ShouldAllBe(pair => pair.First.End.Value == pair.Second.Start.Value);
        Sizes(parts).ShouldAllBe(size => size > 0);
        (Sizes(parts).Max() - Sizes(parts).Min()).ShouldBeLessThanOrEqualTo(1);
        (parts.Count % workers == 0 || parts.Count == batch).ShouldBeTrue(); // no worker is idle while others work
    }

    [Theory]
    [InlineData("vit-tiny", 128)]
    [InlineData("vit-small", 96)]
    [InlineData("vit-base", 64)]
    public void Are_Equal_Where_They_Can_Be_So_That_Kernels_Are_Prepared_For_One_Shape(string model, int batch) =>
        Sizes(Parts(model, batch, 2)).Distinct().ShouldHaveSingleItem();

    [Theory]
    [InlineData(MaskPlacement.Encoder)]
    [InlineData(MaskPlacement.Decoder)]
    public void Keep_The_Memory_Of_A_Large_Batch_Bounded(MaskPlacement placement)
    {
        var options = new PretrainOptions
        {
            Objective = new() { Placement = placement },
        }.ToModel();
        foreach (var (batch, workers) in new[] { (256, 1), (256, 2), (10_000, 4) })
        {
            var largest = Sizes(BatchParts.Of(batch, workers, BatchParts.BytesKept(options, visible: 16), options.Encoder.Patches)).Max();
            (largest * workers * BatchParts.BytesKept(options, visible: 16)).ShouldBeLessThanOrEqualTo(640L << 20);
        }
    }

    [Fact]
    public void Count_What_A_Block_Keeps()
    {
        // One block of width 4 with one head over 2 tokens, and a decoder block alike: 2 blocks · 2 tokens · (20 · 4 + 2) values of 4 bytes.
        var options = new MaskedAutoencoderOptions
        {
            Encoder = new() { ImageHeight = 4, ImageWidth = 8, PatchSize = 4, Width = 4, Depth = 1, Heads = 1, MlpRatio = 4 },
            DecoderWidth = 4,
            DecoderDepth = 1,
            DecoderHeads = 1,
        };
        BatchParts.BytesKept(options, visible: 1).ShouldBe(2 * 2 * (20 * 4 + 2) * 4);
    }

    private static IReadOnlyList<Range> Parts(string model, int batch, int workers) =>
        Parts(new PretrainOptions { Encoder = new() { Model = model } }.ToModel(), batch, workers);

    private static IReadOnlyList<Range> Parts(MaskedAutoencoderOptions model, int batch, int workers) =>
        BatchParts.Of(batch, workers, BatchParts.BytesKept(model, visible: 16), model.Encoder.Patches);

    private static int[] Sizes(IReadOnlyList<Range> parts) => [.. parts.Select(p => p.End.Value - p.Start.Value)];
}
