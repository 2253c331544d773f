using Tessera.Evaluation;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Tests.Fixtures;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Evaluation;

public sealed class KnnEvaluationTests : IDisposable
{
    private const ulong Seed = 1;

    private static readonly VisionTransformerOptions Small = new() { ImageHeight = 16, ImageWidth = 16, Width = 16, Depth = 1, Heads = 2 };
    private static readonly PixelNormalization Normalization = new([0.5, 0.5, 0.5], [0.25, 0.25, 0.25]);

    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData(MeasuredSplit.HeldOut)]
    [InlineData(MeasuredSplit.Development)]
    public void Colours_Are_Told_Apart_By_Any_Vectors(MeasuredSplit split)
    {
        using var images = Pack(new Colours());
        using var model = Model();
        var told = new List<EvaluationPhase>();

        var report = Run(model, images, split, null, told);

        var sides = DataSplit.Of(images, null, Seed);
        report.Queries.ShouldBe(sides.Pictures(split).Count(p => images.Labels[p] >= 0));
        var known = split == MeasuredSplit.HeldOut ? sides.Train : sides.Train.Except(sides.Development); // which would find themselves
        report.Bank.ShouldBe(known.Count(p => images.Labels[p] >= 0));
        (report.Split, report.Classes, report.Neighbours, report.Width).ShouldBe((split, 3, 20, 16));
        report.Rows.Select(r => r.Name).ShouldBe(["encoder", "same encoder, random weights", "raw pixels"]);
        report.Rows.ShouldAllBe(r => r.Standard.Top1.Share == 1 && r.Standard.Top1.Count == report.Queries);
        report.Rows.ShouldAllBe(r => r.Grid.Count == 7);
        report.RankMe.ShouldBeInRange(1, 16);
        told.Select(t => t.Words).Distinct().ShouldBe(report.Rows.Select(r => r.Name));
        told.Select(t => t.Done).ShouldBeInOrder();
        told[^1].Done.ShouldBe(told[^1].Total);
    }

    [Fact]
    public void The_Figures_Are_Those_Of_The_Model_And_Not_Of_The_Others()
    {
        using var images = Pack(new Colours());
        using var model = Model();
        foreach (var (_, parameter) in model.Encoder.named_parameters())
        {
            using var quiet = no_grad();
            parameter.zero_(); // sees nothing: all vectors are zero
        }

        var rows = Run(model, images, MeasuredSplit.HeldOut, null).Rows;

        rows[0].Standard.Top1.Share.ShouldBeLessThan(0.8);
        rows[1].Standard.Top1.Share.ShouldBe(1);
    }

    [Fact]
    public void A_Limit_Keeps_Equally_Many_Of_Each_Class()
    {
        using var images = Pack(new Colours());
        using var model = Model();
        Run(model, images, MeasuredSplit.HeldOut, limit: 16).Bank.ShouldBe(12); // four of each class, and of those without a label
        LabelledPictures.Of(images, MeasuredSplit.HeldOut, 16, Seed).Known.CountBy(p => images.Labels[p]).ShouldAllBe(c => c.Value == 4);
    }

    [Fact]
    public void Pictures_Without_Labels_Are_Refused()
    {
        using var images = Pack(new WatchedPictures(20, 2));
        using var model = Model();
        Should.Throw<ImageSourceException>(() => Run(model, images, MeasuredSplit.HeldOut, null))
            .Message.ShouldBe("The training pictures of watched have no labels, by which an encoder is judged: give pictures in one folder per class.");
    }

    private KnnReport Run(PretrainedEncoder model, ImageSet images, MeasuredSplit split, int? limit, List<EvaluationPhase>? told = null) => KnnEvaluation.Run(
        model, images, split, limit, Seed, CPU, new FeatureCache(folder.Path), null, told is null ? null : new Relay(told), TestContext.Current.CancellationToken);

    private PackedImages Pack(ImageSource source) => PackedImages.Pack(
        source, new ImageShape(3, 16, 16), folder.File("pictures.tessera"), cancellation: TestContext.Current.CancellationToken);

    private PretrainedEncoder Model()
    {
        var encoder = new VisionTransformer(Small);
        WeightInitialization.Draw(encoder, seed: 5);
        var description = new ModelDescription { Encoder = Small, Normalization = Normalization };
        ModelFile.SaveEncoder(folder.File("model.safetensors"), encoder, description);
        return new PretrainedEncoder(encoder, description, folder.File("model.safetensors"));
    }

    private sealed class Relay(List<EvaluationPhase> told) : IProgress<EvaluationPhase>
    {
        public void Report(EvaluationPhase value) => told.Add(value);
    }
}
