using Tessera.Evaluation;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Evaluation;

public sealed class ReconstructionEvaluationTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    private const int Side = 32, Patch = 8, Grid = 4;

    private static readonly PixelNormalization Normalization = new([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]);

    private static readonly MaskedAutoencoderOptions Small = new()
    {
        Encoder = new() { ImageHeight = Side, ImageWidth = Side, Width = 16, Depth = 1, Heads = 2 },
        DecoderWidth = 8,
        DecoderDepth = 1,
        DecoderHeads = 2,
    };

    private static readonly MaskSampler Masks = new(new MaskOptions(), Small, seed: 4);

    [Theory]
    [InlineData(ReconstructionTarget.Pixels, LossPlaces.Masked)]
    [InlineData(ReconstructionTarget.NormalizedPixels, LossPlaces.All)]
    public void Measures_As_Counting_Pixel_By_Pixel_Does(ReconstructionTarget target, LossPlaces places)
    {
        using var scope = NewDisposeScope();
        var model = new MaskedAutoencoder(Small with { Target = target, LossOn = places }, seed: 1);
        int[] pictures = [3, 17, 40, 64, 65];

        var report = ReconstructionEvaluation.Run(
            model, Normalization, shapes.Images, pictures, Masks, CPU, batchSize: 2, cancellation: TestContext.Current.CancellationToken);

        report.Pictures.ShouldBe(5);
        report.UsesTrueStatistics.ShouldBe(target == ReconstructionTarget.NormalizedPixels);
        var (errors, means, distances, similarity, losses) = (new List<double>(), new List<double>(), new List<double>(), new List<double>(), new List<double>());
        foreach (var picture in pictures)
        {
            using var mask = Masks.Draw([picture], epoch: 0);
            var hidden = mask.Hidden.Longs().ToHashSet();
            var original = Original(picture);
            var restored = Restored(model, picture, mask);
            var pasted = original.ToArray();
            double[] mean = [.. Enumerable.Range(0, 3).Select(channel => VisibleMean(original, hidden, channel))];
            foreach (var pixel in Pixels(hidden))
            {
                pasted[pixel] = restored[pixel];
                errors.Add(Square(original[pixel] - restored[pixel]));
                means.Add(Square(original[pixel] - mean[pixel / (Side * Side)]));
                distances.Add(Square(original[pixel] - InverseDistance(original, hidden, pixel)));
            }
            var map = StructuralSimilarity.Map(tensor(pasted, [1, 3, Side, Side]), tensor(original, [1, 3, Side, Side])).Floats();
            similarity.AddRange(Pixels(hidden).Select(p => (double)map[p]));
            losses.Add(model.call(Patches.Cut(Normalization.Standardize(tensor(shapes.Images.Pixels(picture).ToArray(), [1, 3, Side, Side])), Patch), mask).item<float>());
        }

        report.Model.Psnr.ShouldBe(Psnr(errors), 1e-3);
        report.VisibleMean.Psnr.ShouldBe(Psnr(means), 1e-3);
        report.InverseDistance.Psnr.ShouldBe(Psnr(distances), 1e-3);
        report.Model.Ssim.ShouldBe(similarity.Average(), 1e-4);
        report.Loss.ShouldBe(losses.Average(), 1e-4);
    }

    [Fact]
    public void Ends_Early_When_Asked()
    {
        using var model = new MaskedAutoencoder(Small);
        var cancelled = new CancellationToken(canceled: true);
        Should.Throw<OperationCanceledException>(() =>
            ReconstructionEvaluation.Run(model, Normalization, shapes.Images, (int[])[1, 2], Masks, CPU, 1, cancellation: cancelled));
    }

    [Fact]
    public void Restores_Picture_Files_And_Names_The_Broken_Ones()
    {
        using var folder = new ScratchFolder();
        var model = new MaskedAutoencoder(Small);
        using var pretrained = new PretrainedModel(
            model, new ModelDescription { Encoder = Small.Encoder, Normalization = Normalization, Reconstruction = new(Small, new()) }, "model.safetensors");
        var (good, broken) = (folder.File("good.png"), folder.File("broken.png", [1, 2, 3]));
        Tessera.Figures.ImageGrid.Save(good, [new([new Tessera.Figures.RgbImage(20, 30, new byte[20 * 30 * 3])])], ["picture"], 1);

        var result = PictureReconstruction.Save(folder.File("figure.png"), pretrained, [broken, good], Masks, CPU);

        result.Restored.ShouldBe(1);
        result.File.ShouldBe(folder.File("figure.png"));
        result.Broken.ShouldHaveSingleItem().Name.ShouldBe(broken);
        File.Exists(result.File).ShouldBeTrue();
        Should.Throw<ImageSourceException>(() => PictureReconstruction.Save(folder.File("none.png"), pretrained, [broken], Masks, CPU))
            .Message.ShouldStartWith($"Not one picture could be read: {broken} ");
        File.Exists(folder.File("none.png")).ShouldBeFalse();
    }

    private static double Square(double value) => value * value;

    private static double Psnr(List<double> squares) => 10 * Math.Log10(1 / squares.Average());

    /// <summary>(C, H, W), 0 to 1.</summary>
    private float[] Original(int picture) => [.. shapes.Images.Pixels(picture).ToArray().Select(b => b / 255f)];

    private static IEnumerable<int> Pixels(HashSet<long> places) =>
        Enumerable.Range(0, 3 * Side * Side).Where(i => places.Contains(Place(i)));

    private static int Place(int pixel) => pixel / Side % Side / Patch * Grid + pixel % Side / Patch;

    private static double VisibleMean(float[] original, HashSet<long> hidden, int channel) =>
        original.Where((_, i) => i / (Side * Side) == channel && !hidden.Contains(Place(i))).Average(v => (double)v);

    /// <summary>Shepard's weights, 1 / distance³, from the middles of the visible patches to the pixel itself.</summary>
    private static double InverseDistance(float[] original, HashSet<long> hidden, int pixel)
    {
        var (y, x, channel, sum, weights) = (pixel / Side % Side, pixel % Side, pixel / (Side * Side), 0.0, 0.0);
        double Middle(int cell) => cell * Patch + (Patch - 1) / 2.0;
        for (var other = 0; other < Grid * Grid; other++)
        {
            if (hidden.Contains(other)) continue;
            var weight = Math.Pow(Square(Middle(other / Grid) - y) + Square(Middle(other % Grid) - x), -1.5);
            var top = channel * Side * Side + other / Grid * Patch * Side + other % Grid * Patch;
            weights += weight;
            sum += weight * Enumerable.Range(0, Patch * Patch).Average(i => (double)original[top + i / Patch * Side + i % Patch]);
        }
        return sum / weights;
    }

    /// <summary>The model's picture, 0 to 1, put together patch by patch.</summary>
    private float[] Restored(MaskedAutoencoder model, int picture, PatchMask mask)
    {
        var patches = Patches.Cut(Normalization.Standardize(tensor(shapes.Images.Pixels(picture).ToArray(), [1, 3, Side, Side])), Patch);
        var predicted = model.Predict(Patches.Pick(patches, mask.Visible), mask, LossPlaces.Masked)[0];
        var restored = new float[3 * Side * Side];
        var places = mask.Hidden.Longs();
        for (var i = 0; i < places.Length; i++)
        {
            var (values, truth) = (predicted[i].Floats(), patches[0][places[i]].Floats());
            var (mean, deviation) = (0.0, 1.0);
            if (model.Options.Target == ReconstructionTarget.NormalizedPixels)
            {
                mean = truth.Average(v => (double)v);
                deviation = Math.Sqrt(truth.Sum(v => Square(v - mean)) / (truth.Length - 1) + 1e-6);
            }
            for (var v = 0; v < values.Length; v++)
            {
                var (row, column, channel) = (v / 3 / Patch, v / 3 % Patch, v % 3);
                var (y, x) = ((int)places[i] / Grid * Patch + row, (int)places[i] % Grid * Patch + column);
                var value = (values[v] * deviation + mean) * Normalization.Deviation[channel] + Normalization.Mean[channel];
                restored[(channel * Side + y) * Side + x] = (float)Math.Clamp(value, 0, 1);
            }
        }
        return restored;
    }
}
