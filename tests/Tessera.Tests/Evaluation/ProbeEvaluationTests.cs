using System.Text.Json;
using Tessera.Evaluation;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Evaluation;

public sealed class ProbeEvaluationTests
{
    private const ulong Seed = 1;

    private static readonly VisionTransformerOptions Small = new() { ImageHeight = 16, ImageWidth = 16, Width = 16, Depth = 2, Heads = 2 };
    private static readonly ProbeOptions Options = new() { Epochs = 2, BatchSize = 32 };

    private readonly List<EvaluationPhase> told = [];

    [Theory]
    [InlineData(ProbeProtocol.Linear, 40)] // LARS goes a thousandth of a matrix's length at a time
    [InlineData(ProbeProtocol.Attentive, 8)]
    public void Reads_Off_Colours_And_Meets_Held_Out_Pictures_With_The_Rate_That_Was_Chosen(ProbeProtocol protocol, int epochs)
    {
        using var images = StreamedImages.Open(new Colours(), new ImageShape(3, 16, 16), Seed, cancellation: TestContext.Current.CancellationToken);

        var report = Run(protocol, images, MeasuredSplit.HeldOut, options: Options with { Epochs = epochs });

        var development = DataSplit.Of(images, null, Seed).Development.Count(p => images.Labels[p] >= 0);
        (report.Split, report.Classes, report.Trained, report.Measured, report.Epochs).ShouldBe((MeasuredSplit.HeldOut, 3, 300 - development, 30, epochs));
        report.Rows.Select(row => row.Name).ShouldBe(["encoder", "same encoder, random weights"]);
        report.Rows.ShouldAllBe(row => row.Measured.Top1.Share == 1 && row.Measured.Top1.Count == 30 && row.Measured.Top5.Share == 1);
        foreach (var row in report.Rows)
        {
            row.Grid.ShouldAllBe(result => result.Top1.Count == development);
            row.Measured.Rate.ShouldBe(row.Grid.First(result => result.Top1.Correct == row.Grid.Max(other => other.Top1.Correct)).Rate);
        }
        told.Select(t => t.Done).ShouldBeInOrder();
        told[^1].Done.ShouldBe(told[^1].Total);
        told.Select(t => t.Words).Distinct().ShouldBe(report.Rows.Select(row => row.Name));
    }

    [Fact]
    public void A_Study_On_The_Development_Split_Reads_No_Test_Picture()
    {
        var colours = new Colours();
        using var images = StreamedImages.Open(colours, new ImageShape(3, 16, 16), Seed, cancellation: TestContext.Current.CancellationToken);
        colours.BeforeReading = index => index.ShouldBeLessThan(Colours.TestStart);

        var report = Run(ProbeProtocol.Attentive, images, MeasuredSplit.Development, [[1], [1, 2]]);

        report.Rows.ShouldAllBe(row => row.Grid.Contains(row.Measured));
        report.Rows.Select(row => row.Name).ShouldBe([
            "encoder", "encoder, layer 1", "encoder, layers 1 and 2",
            "same encoder, random weights", "same encoder, random weights, layer 1", "same encoder, random weights, layers 1 and 2"]);
    }

    /// <summary>Training, choice and orders are functions of the seed.</summary>
    [Theory]
    [InlineData(ProbeProtocol.Linear)]
    [InlineData(ProbeProtocol.Attentive)]
    public void Gives_The_Same_Twice(ProbeProtocol protocol)
    {
        using var images = StreamedImages.Open(new Colours(), new ImageShape(3, 16, 16), Seed, cancellation: TestContext.Current.CancellationToken);

        string Once() => JsonSerializer.Serialize(Run(protocol, images, MeasuredSplit.Development, options: Options with { Epochs = 1 }), TesseraJson.Options);

        Once().ShouldBe(Once());
    }

    [Fact]
    public void Says_What_Is_Wrong()
    {
        using var images = StreamedImages.Open(new Colours(), new ImageShape(3, 16, 16), Seed, cancellation: TestContext.Current.CancellationToken);

        Should.Throw<OptionsException>(() => Run(ProbeProtocol.Linear, images, MeasuredSplit.Development, options: new() { Epochs = 0, BatchSize = 1, SmallestCrop = 0 })).Message.ShouldBe(
            "The number of epochs is 0: it must be at least 1; the batch size is 1: it must be at least 2, since a norm is over the batch; the smallest crop is 0: it must be above 0 and at most 1.");
        Should.Throw<OptionsException>(() => Run(ProbeProtocol.Attentive, images, MeasuredSplit.Development, [[3]])).Message.ShouldBe(
            "The layer is 3, and the model has the layers 1 to 2.");
        Should.Throw<OptionsException>(() => Run(ProbeProtocol.Linear, images, MeasuredSplit.HeldOut, limit: 1)).Message.ShouldBe(
            "Of 1 labelled training pictures 1 are of the development split: some must be, to choose by, and some not: take more pictures.");
    }

    private ProbeReport Run(
        ProbeProtocol protocol, ImageSet images, MeasuredSplit split, IReadOnlyList<IReadOnlyList<int>>? layers = null, ProbeOptions? options = null, int? limit = null)
    {
        using var encoder = new VisionTransformer(Small);
        WeightInitialization.Draw(encoder, seed: 5);
        var description = new ModelDescription { Encoder = Small, Normalization = new([0.5, 0.5, 0.5], [0.25, 0.25, 0.25]) };
        return ProbeEvaluation.Run(protocol, options ?? Options, new PretrainedEncoder(encoder, description, "none"), images, split, limit, Seed, CPU, layers,
            new Relay(told), TestContext.Current.CancellationToken);
    }

    private sealed class Relay(List<EvaluationPhase> told) : IProgress<EvaluationPhase>
    {
        public void Report(EvaluationPhase value) => told.Add(value);
    }
}
