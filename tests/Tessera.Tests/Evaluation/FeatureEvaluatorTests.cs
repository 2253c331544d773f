using Tessera.Embeddings;
using Tessera.Evaluation;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using static TorchSharp.torch;

namespace Tessera.Tests.Evaluation;

public sealed class FeatureEvaluatorTests : IClassFixture<PackedShapes>, IDisposable
{
    private static readonly VisionTransformerOptions Small = new() { ImageHeight = 32, ImageWidth = 32, Width = 16, Depth = 1, Heads = 2 };
    private static readonly PixelNormalization Normalization = new([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]);

    private readonly PackedShapes shapes;
    private readonly ScratchFolder folder = new();
    private readonly VisionTransformer encoder = new(Small);

    public FeatureEvaluatorTests(PackedShapes shapes)
    {
        this.shapes = shapes;
        WeightInitialization.Draw(encoder, seed: 1);
    }

    public void Dispose()
    {
        encoder.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void Labelled_Pictures_Are_Classified_By_Each_Other()
    {
        int[] pictures = [.. Enumerable.Range(0, 50)];

        var result = Evaluator(shapes.Images, pictures).Run(1, null, TestContext.Current.CancellationToken);

        var features = FeatureExtraction.OfEncoder(
            encoder, Normalization, shapes.Images, pictures, CPU, cancellation: TestContext.Current.CancellationToken);
        var right = pictures.Count(p => Vote(features, p) == features.Labels[p]);
        result.Metrics.Select(m => (m.Name, m.Unit, m.IsBaseline)).ShouldBe([("development/k-NN", "%", false), ("development/RankMe", "rank", false)]);
        result.Metrics[0].Value.ShouldBe(2.0 * right, 1e-9);
        result.Metrics[1].Value.ShouldBe(RankMe.Of(features));
        result.Line.ShouldBe(FormattableString.Invariant($"k-NN {2.0 * right:f1} %, RankMe {RankMe.Of(features):f1} of 16 on 50 development pictures"));
        result.Picture.ShouldBeNull();
    }

    [Fact]
    public void Pictures_Without_Labels_Have_A_Rank_Alone()
    {
        using var images = PackedImages.Pack(
            new WatchedPictures(10, 2), new ImageShape(3, 32, 32), folder.File("plain.tessera"), cancellation: TestContext.Current.CancellationToken);
        Evaluator(images, [1, 2, 3]).Run(1, null, TestContext.Current.CancellationToken).Metrics.ShouldHaveSingleItem().Name.ShouldBe("development/RankMe");
    }

    [Theory]
    [InlineData(4000, new[] { "features", "reconstructions" })]
    [InlineData(2, new[] { "features", "reconstructions" })]
    [InlineData(1, new[] { "reconstructions" })] // it has no neighbour
    [InlineData(0, new[] { "reconstructions" })]
    public void A_Run_Has_It_Where_There_Are_Pictures_For_It(int limit, string[] names)
    {
        var told = new SortedSet<string>(StringComparer.Ordinal);
        var options = PackedShapes.Options.WithTraining(t => t with { Epochs = 1, FeatureLimit = limit, Precision = Tessera.Runtime.Precision.Bf16 });

        TestRuns.Train(folder.File("run"), options, shapes.Images, progress =>
        {
            if (progress.Evaluating is { } evaluating) told.Add(evaluating.Name);
        });

        told.ShouldBe(names);
        var line = TestRuns.Evaluations(folder.File("run")).ShouldHaveSingleItem();
        (line.Find("development/RankMe") is not null).ShouldBe(names.Length == 2);
        if (limit == 4000) line.Find("development/RankMe")!.Value.ShouldBeInRange(1, 5); // of the five development pictures
    }

    private FeatureEvaluator Evaluator(ImageSet images, int[] pictures) => new(encoder, Normalization, images, pictures, CPU);

    private static int Vote(LabelledVectors features, int picture)
    {
        double Cosine(int other)
        {
            var (a, b) = (features[picture].ToArray(), features[other].ToArray());
            return a.Zip(b, (x, y) => (double)x * y).Sum() / Math.Sqrt(a.Sum(x => (double)x * x) * b.Sum(x => (double)x * x));
        }
        var near = Enumerable.Range(0, features.Count).Where(other => other != picture).Select(other => (Other: other, Cosine: Cosine(other)))
            .OrderByDescending(n => n.Cosine).Take(20);
        return near.GroupBy(n => features.Labels[n.Other]).MaxBy(g => g.Sum(n => Math.Exp(n.Cosine / 0.07)))!.Key;
    }
}
