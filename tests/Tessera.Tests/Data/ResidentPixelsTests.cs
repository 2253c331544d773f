using Tessera.Data;
using Tessera.Tests.Fixtures;
using static TorchSharp.torch;

namespace Tessera.Tests.Data;

public sealed class ResidentPixelsTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    [Theory]
    [InlineData(1L << 30)] // all at once
    [InlineData(1L)] // picture by picture
    [InlineData(5 * 3 * 32 * 32L)] // by fives, and what is left over
    public void Gathers_The_Pictures_That_Are_Asked_For_In_Their_Order(long chunkBytes)
    {
        using var scope = NewDisposeScope();
        using var resident = ResidentPixels.Of(shapes.Images, CPU, chunkBytes);
        int[] pictures = [shapes.Images.Count - 1, 0, 7, 3, 7, 64];
        var expected = new byte[pictures.Length * 3 * 32 * 32];
        for (var i = 0; i < pictures.Length; i++) shapes.Images.Read(pictures[i], expected.AsSpan(i * 3 * 32 * 32, 3 * 32 * 32));

        var gathered = resident.Gather(tensor(Array.ConvertAll(pictures, p => (long)p)));

        gathered.dtype.ShouldBe(ScalarType.Byte);
        gathered.shape.ShouldBe([pictures.Length, 3, 32, 32]);
        gathered.bytes.ToArray().ShouldBe(expected);
        resident.Bytes.ShouldBe(shapes.Images.Count * 3L * 32 * 32);
    }

    /// <summary>A batch with pixels of its own, and one that gathers them where they are.</summary>
    [Fact]
    public void Give_The_Views_That_Pixels_Give_Which_A_Batch_Brings()
    {
        using var scope = NewDisposeScope();
        var plan = new BatchPlan([new ViewPlan(new Augmentation(new() { Colour = 1 }, 32, 32, seed: 4), null)]);
        int[] pictures = [9, 2, 33];
        using var brought = new BatchLoader(shapes.Images, plan).Load(pictures, 3, epoch: 1).Single();
        using var without = new BatchLoader(shapes.Images, plan, withPixels: false).Load(pictures, 3, epoch: 1).Single();
        without.Images.ShouldBeNull();
        var normalization = TrainingData.NormalizationOf(shapes.Images);
        using var resident = ResidentPixels.Place(shapes.Images, DataOnDevice.Yes, CPU);
        using var own = new BatchPreparation(plan, normalization, CPU);
        using var gathering = new BatchPreparation(plan, normalization, CPU, resident);

        gathering.Prepare(without).Views[0].Pixels.ShouldEqual(own.Prepare(brought).Views[0].Pixels);
    }

    [Theory]
    [InlineData(DataOnDevice.Auto)]
    [InlineData(DataOnDevice.No)]
    public void Stay_In_Their_File_Where_The_Device_Is_The_Cpu_Or_They_Are_Not_Wanted(DataOnDevice choice) =>
        ResidentPixels.Place(shapes.Images, choice, CPU).ShouldBeNull();
}
