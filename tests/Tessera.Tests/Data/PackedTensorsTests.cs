using Tessera.Data;
using Tessera.Masking;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Tests.Data;

/// <summary>Of tensors, and of a batch with everything that a plan can draw. The device meta has shapes and no values: what is there came from a transfer.</summary>
public sealed class PackedTensorsTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    private static readonly Device Meta = new(DeviceType.META);

    [Fact]
    public void Hold_What_They_Were_Given_In_A_Piece_For_Each_Number_Format()
    {
        using var scope = NewDisposeScope();
        Tensor[] given = [Numbers.Tensor(1, 3, 5), tensor([7L, -1]), Numbers.Tensor(2, 4).narrow(0, 1, 2), tensor(9L), Numbers.Pixels(3, 2, 3), Numbers.Tensor(4, 2, 3).t()];
        using var packed = PackedTensors.Of(given, piece => piece.clone());

        packed.Pieces.Select(p => (p.dtype, p.numel())).ShouldBe([(ScalarType.Float32, 15 + 2 + 6L), (ScalarType.Int64, 3L), (ScalarType.Byte, 6L)]);
        Tensor[] opened = [.. packed.Open()];
        foreach (var (one, other) in opened.Zip(given)) one.ShouldEqual(other);
        // One behind the other, in the piece's memory.
        TensorMemory.AddressOf(opened[2]).ShouldBe(TensorMemory.AddressOf(packed.Pieces[0]) + 15 * sizeof(float));
        foreach (var tensor in opened) tensor.Dispose();
    }

    [Fact]
    public void Take_A_Batch_To_A_Device_In_As_Many_Transfers_As_There_Are_Number_Formats()
    {
        using var scope = NewDisposeScope();
        var pieces = 0;
        using var loaded = Load();
        var expected = Of(loaded).ToList();
        using var packed = loaded.Share().Packed(piece =>
        {
            pieces++;
            return piece.clone();
        });

        pieces.ShouldBe(3); // pixels; indices, labels and masks; all other draws
        foreach (var (one, other) in Of(packed).Zip(expected)) one.ShouldEqual(other);
        packed.Whole.ShouldBe(loaded.Whole);
        using var there = packed.On(Meta);
        Of(there).Select(t => (t.device_type, t.dtype, string.Join('x', t.shape))).ShouldBe(expected.Select(t => (DeviceType.META, t.dtype, string.Join('x', t.shape))));
    }

    /// <summary>What is packed are a batch's own tensors: a copy that has another goes to a device with that one.</summary>
    [Fact]
    public void Are_Forgotten_By_A_Batch_That_Is_Changed()
    {
        using var scope = NewDisposeScope();
        using var packed = Load().Packed(piece => piece.clone());
        using var there = (packed with { Labels = zeros(1, ScalarType.Int64) }).On(Meta);
        there.Labels!.shape.ShouldBe([1L]);
    }

    [Fact]
    public void Are_Not_Needed_Where_The_Device_Is_The_Cpu()
    {
        using var scope = NewDisposeScope();
        using var batch = Load();
        using var here = batch.On(CPU);
        TensorMemory.AddressOf(here.Images!).ShouldBe(TensorMemory.AddressOf(batch.Images!));
        batch.Dispose();
        here.Labels!.Longs().Length.ShouldBe(3); // it lives by itself
    }

    private Batch Load()
    {
        var masks = new MaskSampler(new MaskOptions(), PackedShapes.Options.ToModel(), seed: 1);
        var augmentation = new Augmentation(new() { Colour = 1, Policy = AugmentationPolicy.ThreeAugment, Erasing = 0.7 }, 32, 32, seed: 1);
        var plan = new BatchPlan([new ViewPlan(augmentation, masks), new ViewPlan(augmentation, null)], Labels: true, new MixSampler(0.8, 1, seed: 1), new DropPathSampler(0.5, 3, seed: 1));
        return new BatchLoader(shapes.Images, plan).Load((int[])[3, 40, 11], 3, epoch: 0).Single();
    }

    /// <summary>All tensors of a batch.</summary>
    private static List<Tensor> Of(Batch batch)
    {
        Tensor?[] own = [batch.Images, batch.Labels, batch.Pictures, batch.Paths, batch.Mix?.Shares, batch.Mix?.Blends, batch.Mix?.Boxes];
        var ofViews = batch.Views.SelectMany(v => new[] { v.Crops, v.Colours, v.Policy, v.Erased, v.Mask?.Visible, v.Mask?.Hidden, v.Mask?.Tokens });
        return [.. own.Concat(ofViews).OfType<Tensor>(), .. batch.Mix is { } mix ? Of(mix.Next) : []];
    }
}
