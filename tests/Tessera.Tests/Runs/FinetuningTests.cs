using Microsoft.Extensions.Logging;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Tests.Runs;

public sealed class FinetuningTests : IClassFixture<PackedShapes>, IDisposable
{
    private static readonly VisionTransformerOptions Shape = new EncoderOptions { Model = "vit-micro" }.Shape(3, 32, 32);

    private readonly PackedShapes shapes;
    private readonly ScratchFolder folder = new();
    private readonly FinetuneOptions options;

    public FinetuningTests(PackedShapes shapes)
    {
        this.shapes = shapes;
        using var model = new MaskedAutoencoder(new() { Encoder = Shape }, seed: 7);
        ModelFile.SaveEncoder(folder.File("encoder.safetensors"), model.Encoder, new ModelDescription { Encoder = Shape, Normalization = new PixelNormalization([110, 120, 130], [50, 60, 70]) });
        options = new FinetuneOptions
        {
            Model = folder.File("encoder.safetensors"),
            Data = new() { Source = "shapes:64", ImageSize = "32" },
            HoldOut = false,
            Training = new() { BatchSize = 16, Epochs = 3, LogSteps = 1, Clip = 1, Precision = Precision.Fp32, AverageDecay = 0.9, FeatureLimit = 0, EvaluateEvery = 2 },
        };
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Makes_A_Classifier_In_One_File_With_Its_Classes()
    {
        var summary = Train("run", options);

        using var loaded = ModelFile.LoadClassifier(folder.File("run"));
        loaded.Classes.Names.ShouldBe(shapes.Images.ClassNames);
        loaded.Classes.Titles.ShouldBe(shapes.Images.ClassTitles);
        loaded.Normalization.Mean.ShouldBe([110, 120, 130]);
        loaded.Classes.Familiarity.ShouldNotBeNull().HeldOut.ShouldBeTrue();
        summary.Steps.ShouldBe(12);
        summary.TrainingPictures.ShouldBe(64);
        summary.Measured!.Top1.Count.ShouldBe(6);
        summary.Choice.ShouldBeNull();
        foreach (var file in new[] { "evaluations/classification.json", "evaluations/classification-mistakes.png", "curves.png", "summary.json" }) File.Exists(folder.File($"run/{file}")).ShouldBeTrue(file);
        ModelFile.LoadEncoder(folder.File("run")).Dispose(); // it is an encoder besides
    }

    [Theory]
    [InlineData(Precision.Fp32, 2)]
    [InlineData(Precision.Bf16, 1)]
    public void Stopped_Anywhere_And_Resumed_It_Ends_In_The_Same_Classifier(Precision precision, int workers)
    {
        var wanted = options with
        {
            Augmentation = new() { SmallestCrop = 0.5, Colour = 1 },
            Training = options.Training with { Precision = precision, Workers = workers, Epochs = 2 },
        };
        Train("whole", wanted);

        foreach (var step in new[] { 1, 4, 7 }) // within an epoch, at its end without an evaluation, and before the end
        {
            var name = $"stopped-{step}";
            using var source = new CancellationTokenSource();
            Should.Throw<OperationCanceledException>(() => Train(name, wanted, watch: p => { if (p.Step >= step) source.Cancel(); }, cancellation: source.Token));
            Train(name, wanted);

            TestRuns.HashOfResult(folder.File(name)).ShouldBe(TestRuns.HashOfResult(folder.File("whole")), name);
        }
    }

    [Fact]
    public void Frozen_Blocks_Stay_As_They_Are_And_The_Others_Learn()
    {
        Train("run", options with { Classes = options.Classes with { Freeze = 2 }, Training = options.Training with { Precision = Precision.Bf16 } });

        using var before = ModelFile.LoadEncoder(options.Model);
        using var after = ModelFile.LoadEncoder(folder.File("run"));
        foreach (var ((name, was), (_, now)) in before.Encoder.named_parameters().Zip(after.Encoder.named_parameters()))
            now.IsSameAs(was).ShouldBe(name.StartsWith("patch_embed.", StringComparison.Ordinal) || name.StartsWith("blocks.0.", StringComparison.Ordinal) || name.StartsWith("blocks.1.", StringComparison.Ordinal), name);
    }

    [Fact]
    public void Keeps_The_Layer_On_The_Frozen_Encoder_Where_That_Is_Better()
    {
        using var images = PackedImages.OpenOrPack("shapes:400", shapes.Images.Shape, folder.Path, cancellation: TestContext.Current.CancellationToken);
        // A rate at which nothing is learned: the layer cannot but be better.
        var idle = options with { HoldOut = true, Data = options.Data with { Source = "shapes:400" }, Training = options.Training with { LearningRate = 1e-9, Epochs = 1 } };

        var summary = Train("run", idle, images);

        summary.Choice!.KeepsLayer.ShouldBeTrue();
        summary.Choice.Layer.Correct.ShouldBeGreaterThan(summary.Choice.FineTuned.Correct);
        using var kept = ModelFile.LoadClassifier(folder.File("run"));
        kept.Description.Training["kept"].ShouldBe("a linear layer on the frozen encoder");
        var split = FinetuneSplit.Of(idle, images);
        Tessera.Evaluation.ClassificationEvaluation.Run(kept.Model, kept.Normalization, images, split.Choice, TorchSharp.torch.CPU, cancellation: TestContext.Current.CancellationToken)
            .Report.Top1.ShouldBe(summary.Choice.Layer); // the layer in the file is the one that was measured

        // A kill can come when the layer is in the file and the summary is not: what is chosen between is the fine-tuned model again, not the layer twice.
        var hash = TestRuns.HashOfResult(folder.File("run"));
        Train("run", idle, images).Choice.ShouldBe(summary.Choice);
        TestRuns.HashOfResult(folder.File("run")).ShouldBe(hash);
    }

    [Fact]
    public void Takes_Another_Size_And_From_Scratch_A_Preset_Without_A_File()
    {
        using var images = PackedImages.OpenOrPack("shapes:64", new ImageShape(3, 48, 48), folder.Path, cancellation: TestContext.Current.CancellationToken);
        Train("larger", options with { Data = options.Data with { ImageSize = "48" }, Training = options.Training with { Epochs = 1 } }, images);
        Train("scratch", options with { Model = "vit-micro", FromScratch = true, Training = options.Training with { Epochs = 1 } });

        ModelInfo.Read(folder.File("larger")).Description.Encoder.ImageHeight.ShouldBe(48);
        ModelInfo.Read(folder.File("scratch")).Description.Training["encoder"].ShouldBe("from scratch");
    }

    [Fact]
    public void Goes_On_From_A_Classifier_Of_The_Same_Classes_And_Says_Where_They_Are_Others()
    {
        Train("first", options);
        var log = new Words();
        var idle = options.Training with { LearningRate = 1e-9, Epochs = 1, AverageDecay = null };
        Train("second", options with { Model = folder.File("first"), Training = idle }, logger: log);
        using var first = ModelFile.LoadClassifier(folder.File("first"));
        using var second = ModelFile.LoadClassifier(folder.File("second"));
        second.Model.get_parameter("head.weight")!.ShouldBeNear(first.Model.get_parameter("head.weight")!, 1e-5);
        log.Lines.ShouldNotContain(line => line.Contains("other classes"));

        var renamed = first.Description with { Classes = first.Classes with { Names = [.. first.Classes.Names.Select(n => n + "s")] } };
        ModelFile.SaveClassifier(folder.File("renamed.safetensors"), first.Model, first.Means, renamed);
        Train("third", options with { Model = folder.File("renamed.safetensors"), Training = idle }, logger: log);

        log.Lines.ShouldContain(line => line.StartsWith($"the model knows other classes than the pictures have ({first.Classes.Names.Count} there, {first.Classes.Names.Count} here; "));
    }

    [Fact]
    public void Refuses_What_Cannot_Be_Run_Naming_Every_Fault()
    {
        Should.Throw<OptionsException>(() => Finetuning.CheckedSplit(options with { Classes = options.Classes with { Freeze = 9, LayerDecay = 2 } }, FinetuneModel.Of(options), shapes.Images))
            .Message.ShouldBe($"The layer decay is 2: it must be above 0 and at most 1.");
        Should.Throw<OptionsException>(() => Finetuning.CheckedSplit(options with { Classes = options.Classes with { Freeze = 99, Pooling = ClassPooling.Class } }, FinetuneModel.Of(options), shapes.Images))
            .Message.ShouldBe($"The number of frozen blocks is 99: it must be at least 0 and at most the model's {Shape.Depth}; the model has no class token: pool by the mean.");
        Should.Throw<OptionsException>(() => (options with { FromScratch = true, Classes = options.Classes with { Freeze = 1 } }).Validate())
            .Message.ShouldBe("1 blocks are to stay as they are, and they are random: freeze none from scratch.");
        Should.Throw<OptionsException>(() => Finetuning.CheckedSplit(options with { Training = options.Training with { BatchSize = 65 } }, FinetuneModel.Of(options), shapes.Images))
            .Message.ShouldBe("A batch of 65 is more than the 64 training pictures: use batches of 64 or less.");
    }

    private FinetuneSummary Train(
        string name, FinetuneOptions wanted, ImageSet? images = null, Action<TrainingProgress>? watch = null, ILogger? logger = null, CancellationToken? cancellation = null)
    {
        var place = folder.File(name);
        var (run, own) = File.Exists(Path.Combine(place, "options.json")) ? FinetuneRun.Open(place) : FinetuneRun.Begin(place, wanted);
        using var release = run;
        using var finetuning = new Finetuning(run, own, images ?? shapes.Images, watch is null ? null : new Watch(watch), logger);
        return finetuning.Run(cancellation ?? TestContext.Current.CancellationToken);
    }

    private sealed class Watch(Action<TrainingProgress> action) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => action(value);
    }

    private sealed class Words : ILogger
    {
        public List<string> Lines { get; } = [];

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Lines.Add(formatter(state, exception));
    }
}
