using Tessera.Models;
using Tessera.Runs;
using Tessera.Training;
using TorchSharp;
using static TorchSharp.torch;

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
    [InlineData(256, 1)]
    [InlineData(256, 2)]
    [InlineData(10_000, 4)]
    public void Keep_The_Memory_Of_A_Large_Batch_Bounded(int batch, int workers)
    {
        const long bytesKept = 10 << 20; // 64 pictures of them are the 640 MiB that all workers may keep
        var largest = Sizes(BatchParts.Of(batch, workers, bytesKept, tokensPerPicture: 64)).Max();
        (largest * workers).ShouldBeInRange(33, 64); // and as few parts as that takes, but for making them equal
    }

    [Fact]
    public void Have_Tokens_Enough_For_A_Matrix_Product_However_Large_A_Picture_Is() =>
        Sizes(BatchParts.Of(12, 2, long.MaxValue, tokensPerPicture: 200)).ShouldBe([3, 3, 3, 3]);

    [Theory]
    [InlineData(1024, 40L << 30, 1)] // it fits: one part, as ever on a GPU
    [InlineData(4096, 40L << 30, 2)] // 2,048 of 20 MiB
    [InlineData(4096, 39L << 30, 4)] // 1,996 at most: three parts, or four equal ones
    public void Of_A_Gpu_Are_As_Few_As_Its_Memory_Allows(int batch, long keptBytes, int parts) =>
        Sizes(BatchParts.Of(batch, workers: 1, 20 << 20, tokensPerPicture: 64, keptBytes)).ShouldBe(Enumerable.Repeat(batch / parts, parts));

    [Fact]
    public void May_Leave_A_Share_Of_What_A_Model_Leaves_Of_A_Gpus_Memory()
    {
        const long GiB = 1L << 30;
        var gpu = new Device(DeviceType.CUDA, 0);
        BatchParts.KeptBytesOn(gpu, 80 * GiB, taken: 30 * GiB).ShouldBe(30 * GiB);
        BatchParts.KeptBytesOn(gpu, 16 * GiB, taken: 20 * GiB).ShouldBe(0); // then parts are as small as is worth while
        BatchParts.KeptBytesOn(gpu, total: 0, taken: GiB).ShouldBeNull();
        BatchParts.KeptBytesOn(CPU, total: 0, taken: 1 << 20).ShouldBe(640 << 20);
    }

    private static IReadOnlyList<Range> Parts(string model, int batch, int workers) =>
        Parts(new PretrainOptions { Encoder = new() { Model = model } }.ToModel(), batch, workers);

    private static IReadOnlyList<Range> Parts(MaskedAutoencoderOptions model, int batch, int workers) =>
        BatchParts.Of(batch, workers, TransformerCost.BytesKept(model, visible: 16), model.Encoder.PatchCount);

    private static int[] Sizes(IReadOnlyList<Range> parts) => [.. parts.Select(p => p.End.Value - p.Start.Value)];
}
