using Tessera.Evaluation;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Evaluation;

public sealed class LinearEvaluationTests : IDisposable
{
    private const ulong Seed = 1;

    private static readonly VisionTransformerOptions Small = new() { ImageHeight = 16, ImageWidth = 16, Width = 16, Depth = 1, Heads = 2 };

    private readonly ScratchFolder folder = new();
    private readonly List<EvaluationPhase> told = [];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Held_Out_Pictures_Are_Met_By_A_Layer_Of_All_Training_Pictures()
    {
        using var images = PackedImages.Pack(
            new Colours(), new ImageShape(3, 16, 16), folder.File("pictures.tessera"), cancellation: TestContext.Current.CancellationToken);

        var report = Run(images, MeasuredSplit.HeldOut);

        (report.Split, report.Classes, report.Trained, report.Measured).ShouldBe((MeasuredSplit.HeldOut, 3, 300, 30));
        report.Rows.Select(r => r.Name).ShouldBe(["encoder", "same encoder, random weights", "raw pixels"]);
        report.Rows.Select(r => r.Probe.Width).ShouldBe([16, 16, 3 * 16 * 16]);
        report.Rows.ShouldAllBe(r => r.Probe.Test!.Top1.Correct == 30);
        var development = DataSplit.Of(images, null, Seed).Development.Count(p => images.Labels[p] >= 0);
        report.Rows.ShouldAllBe(r => r.Probe.Development.Top1.Count == development && r.Probe.Development.Trained == 300 - development);
        told.Select(t => t.Words).Distinct().ShouldBe(report.Rows.Select(r => r.Name));
        told.Select(t => t.Done).ShouldBeInOrder();
        told[^1].Done.ShouldBeLessThan(told[^1].Total);
    }

    [Fact]
    public void A_Study_On_The_Development_Split_Reads_No_Test_Picture()
    {
        var colours = new Colours();
        using var images = StreamedImages.Open(colours, new ImageShape(3, 16, 16), Seed, cancellation: TestContext.Current.CancellationToken);
        colours.BeforeReading = index => index.ShouldBeLessThan(Colours.TestStart);

        var report = Run(images, MeasuredSplit.Development);

        var development = DataSplit.Of(images, null, Seed).Development.Count(p => images.Labels[p] >= 0);
        (report.Split, report.Trained, report.Measured).ShouldBe((MeasuredSplit.Development, 300 - development, development));
        report.Rows.ShouldAllBe(r => r.Probe.Test == null && r.Probe.Measured == r.Probe.Development && r.Probe.Measured.Top1.Share == 1);
    }

    [Fact]
    public void A_Limit_Counts_All_Pictures_Whose_Labels_Are_Used()
    {
        using var images = StreamedImages.Open(new Colours(), new ImageShape(3, 16, 16), Seed, cancellation: TestContext.Current.CancellationToken);

        var probe = Run(images, MeasuredSplit.HeldOut, limit: 160).Rows[0].Probe;

        probe.Test!.Trained.ShouldBe(120); // 40 of each class, and of those without a label
        (probe.Development.Trained + probe.Development.Top1.Count).ShouldBe(120);
        Run(images, MeasuredSplit.Development, limit: 160).Trained.ShouldBe(120);
        Should.Throw<OptionsException>(() => Run(images, MeasuredSplit.HeldOut, limit: 1)).Message.ShouldBe(
            "Of 1 labelled training pictures 1 are of the development split: some must be, to choose by, and some not: take more pictures.");
    }

    private LinearReport Run(ImageSet images, MeasuredSplit split, int? limit = null)
    {
        using var encoder = new VisionTransformer(Small);
        WeightInitialization.Draw(encoder, seed: 5);
        var description = new ModelDescription { Encoder = Small, Normalization = new([0.5, 0.5, 0.5], [0.25, 0.25, 0.25]) };
        ModelFile.SaveEncoder(folder.File("model.safetensors"), encoder, description);
        return LinearEvaluation.Run(
            new PretrainedEncoder(encoder, description, folder.File("model.safetensors")), images, split, limit, Seed, CPU, new FeatureCache(folder.Path),
            null, new Relay(told), TestContext.Current.CancellationToken);
    }

    private sealed class Relay(List<EvaluationPhase> told) : IProgress<EvaluationPhase>
    {
        public void Report(EvaluationPhase value) => told.Add(value);
    }
}
