using Tessera.Evaluation;
using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Tests.Evaluation;

public sealed class BaselinesTests
{
    [Theory]
    [InlineData(16, 16, 4, 1)]
    [InlineData(8, 20, 4, 3)] // wide
    [InlineData(21, 6, 3, 3)] // tall, and patches with a middle pixel
    [InlineData(4, 16, 4, 2)] // one row
    [InlineData(153, 28, 1, 1)] // more weights than are kept: blocks of several rows of patches, the last of fewer
    [InlineData(1, 4200, 1, 1)] // blocks of a row's parts, the last of fewer
    public void Weigh_By_The_Inverse_Cube_Of_The_Distance(int height, int width, int side, int channels)
    {
        using var scope = NewDisposeScope();
        var options = Grid(height, width, side, channels);
        var (rows, columns, count) = (options.GridHeight, options.GridWidth, options.PatchCount);
        var patches = Numbers.Tensor(1, 1, count, side * side * channels);
        int[] visible = [.. Enumerable.Range(0, count).Where(i => i % 3 == 1)], hidden = [.. Enumerable.Range(0, count).Except(visible)];

        using var baselines = new Baselines(options, CPU);
        var filled = baselines.InverseDistance(Patches.Pick(patches, Places(visible)), Mask(visible, hidden));

        var (values, expected) = (patches.Floats(), new List<double>());
        foreach (var patch in hidden)
        {
            for (var pixel = 0; pixel < side * side; pixel++)
            {
                var (y, x) = (patch / columns * side + pixel / side, patch % columns * side + pixel % side);
                var (sums, weights) = (new double[channels], 0.0);
                foreach (var other in visible)
                {
                    var (down, right) = (y - other / columns * side - (side - 1) / 2.0, x - other % columns * side - (side - 1) / 2.0);
                    var weight = 1 / Math.Pow(Math.Sqrt(down * down + right * right), 3);
                    weights += weight;
                    for (var i = 0; i < side * side * channels; i++) sums[i % channels] += weight * values[other * side * side * channels + i] / (side * side);
                }
                expected.AddRange(sums.Select(s => s / weights));
            }
        }
        filled.ShouldBeNear(tensor(expected.ToArray(), filled.shape));
    }

    /// <summary>640 × 640 pixels in patches of 8: all pixels' weights for all patches are more than 2³¹ numbers.</summary>
    [Fact]
    public void Serve_Grids_Whose_Weights_Do_Not_Fit_Into_One_Array()
    {
        using var scope = NewDisposeScope();
        var options = Grid(640, 640, side: 8, channels: 1);
        var seen = 4_321;
        int[] hidden = [.. Enumerable.Range(0, options.PatchCount).Where(i => i != seen)];

        using var baselines = new Baselines(options, CPU);
        var filled = baselines.InverseDistance(full([1, 1, 64], HeldHalf), Mask([seen], hidden));

        filled.ShouldBeNear(full(filled.shape, HeldHalf)); // there is one colour to be had
    }

    private static readonly TorchSharp.Scalar HeldHalf = 0.5f;

    private static VisionTransformerOptions Grid(int height, int width, int side, int channels) =>
        new() { ImageHeight = height, ImageWidth = width, PatchSize = side, Channels = channels };

    private static PatchMask Mask(int[] visible, int[] hidden) => new(Places(visible), Places(hidden), zeros(1, hidden.Length, ScalarType.Int64));

    private static Tensor Places(int[] places) => tensor(Array.ConvertAll(places, p => (long)p), [1, places.Length]);
}
