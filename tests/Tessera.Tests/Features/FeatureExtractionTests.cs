using Tessera.Features;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Tests.Features;

public sealed class FeatureExtractionTests(PackedShapes shapes) : IClassFixture<PackedShapes>
{
    private const int Side = 32;

    private static readonly PixelNormalization Normalization = new([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]);

    private static readonly VisionTransformerOptions Small = new() { ImageHeight = Side, ImageWidth = Side, Width = 16, Depth = 2, Heads = 2 };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_Vector_Is_The_Mean_Of_The_Patch_Tokens_Of_The_Whole_Picture(bool classToken)
    {
        using var encoder = Encoder(Small with { ClassToken = classToken });
        int[] pictures = [69, 3, 17, 3, 40]; // no multiple of any number of workers

        var features = FeatureExtraction.OfEncoder(
            encoder, Normalization, shapes.Images, pictures, CPU, cancellation: TestContext.Current.CancellationToken);

        (features.Count, features.Width).ShouldBe((5, 16));
        for (var i = 0; i < pictures.Length; i++)
        {
            using var scope = NewDisposeScope();
            var tokens = encoder.call(Normalization.Standardize(Picture(pictures[i])))[0].Floats().Chunk(16).ToList();
            if (classToken) tokens.RemoveAt(0);
            tokens.Count.ShouldBe(16);
            for (var d = 0; d < 16; d++) features[i][d].ShouldBe(tokens.Average(t => t[d]), 1e-5f);
            features.Labels[i].ShouldBe(shapes.Images.Labels[pictures[i]]);
        }
    }

    [Fact]
    public void Weights_In_Bf16_Give_Vectors_In_Fp32_That_Are_Near()
    {
        using var encoder = Encoder(Small);
        int[] pictures = [.. Enumerable.Range(0, 20)];
        var exact = Of(encoder, pictures);

        encoder.to(ScalarType.BFloat16);
        var rounded = Of(encoder, pictures);

        var largest = exact.Max(Math.Abs);
        var differences = exact.Zip(rounded, (a, b) => Math.Abs(a - b)).ToList();
        differences.Max().ShouldBeInRange(1e-6f, 0.05f * largest);
    }

    [Fact]
    public void A_Stream_Gives_The_Same_Vectors_As_The_Packed_File()
    {
        using var encoder = Encoder(Small);
        using var stream = shapes.Stream();
        int[] pictures = [.. Enumerable.Range(0, 70)];
        FeatureExtraction.OfEncoder(encoder, Normalization, stream, pictures, CPU, cancellation: TestContext.Current.CancellationToken).Values
            .ShouldBe(Of(encoder, pictures));
    }

    [Fact]
    public void Pixels_Of_Small_Pictures_Are_Their_Standardised_Values()
    {
        var features = FeatureExtraction.OfPixels(Normalization, shapes.Images, (int[])[5, 66], cancellation: TestContext.Current.CancellationToken);

        features.Width.ShouldBe(3 * Side * Side);
        features[1].ToArray().ShouldBe(Standardized(shapes.Images, 66), 1e-5f);
    }

    [Fact]
    public void Pixels_Of_Larger_Pictures_Are_Averaged_Down()
    {
        using var folder = new ScratchFolder();
        using var images = PackedImages.OpenOrPack("shapes:8", new ImageShape(3, 64, 80), folder.Path, cancellation: TestContext.Current.CancellationToken);

        var features = FeatureExtraction.OfPixels(Normalization, images, (int[])[2], cancellation: TestContext.Current.CancellationToken);

        features.Width.ShouldBe(3 * 32 * 26); // rectangles of 2 × 3, the last two columns left out
        var whole = Standardized(images, 2);
        for (var (c, i) = (0, 0); c < 3; c++)
        {
            for (var y = 0; y < 32; y++)
            {
                for (var x = 0; x < 26; x++, i++)
                {
                    var mean = Enumerable.Range(0, 6).Average(p => whole[(c * 64 + 2 * y + p / 3) * 80 + 3 * x + p % 3]);
                    features[0][i].ShouldBe(mean, 1e-5f);
                }
            }
        }
    }

    [Fact]
    public void Ends_Early_When_Asked()
    {
        using var encoder = Encoder(Small);
        Should.Throw<OperationCanceledException>(() => FeatureExtraction.OfEncoder(
            encoder, Normalization, shapes.Images, (int[])[1, 2], CPU, cancellation: new CancellationToken(canceled: true)));
    }

    private static VisionTransformer Encoder(VisionTransformerOptions options)
    {
        var encoder = new VisionTransformer(options);
        WeightInitialization.Draw(encoder, seed: 3);
        return encoder;
    }

    private float[] Of(VisionTransformer encoder, int[] pictures) => FeatureExtraction.OfEncoder(
        encoder, Normalization, shapes.Images, pictures, CPU, cancellation: TestContext.Current.CancellationToken).Values;

    private Tensor Picture(int index) => tensor(shapes.Images.Pixels(index).ToArray(), [1, 3, Side, Side]);

    private static float[] Standardized(PackedImages images, int index) => [.. images.Pixels(index).ToArray()
        .Select((b, i) => (float)((b / 255.0 - Normalization.Mean[i / (images.Shape.Pixels / 3)]) / Normalization.Deviation[i / (images.Shape.Pixels / 3)]))];
}
