using Tessera.Data;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Training;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Benchmarking;

/// <summary>
/// Measures how fast this machine pretrains, against its own limit, in one process. <c>docs/performance.md</c> says how each figure
/// is measured and read.
/// </summary>
/// <param name="options">What is measured, and how long.</param>
/// <param name="progress">Told as each round begins, on the calling thread.</param>
public sealed class Benchmark(BenchmarkOptions options, IProgress<BenchmarkProgress>? progress = null)
{
    private const BenchmarkParts NeedTraining = BenchmarkParts.Step | BenchmarkParts.Loader | BenchmarkParts.Embed | BenchmarkParts.Finetune;
    private const int ManyPictures = 100_000; // for which the recipe has all that it has

    /// <summary>Measures. The order matters: what a user waits for comes first and cold, memory before anything large is allocated.</summary>
    /// <param name="cancellation">Ends the benchmark after the step under way; nothing is left behind.</param>
    /// <exception cref="OptionsException">The options cannot be run; every fault is named.</exception>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    /// <exception cref="ImagingException">The pictures cannot be read or packed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public BenchmarkReport Run(CancellationToken cancellation = default)
    {
        options.Validate();
        var device = ComputeDevice.Resolve(options.Pretraining.Training.Device);
        ComputePrecision.Apply(options.Pretraining.Training.Precision, device);
        var clock = new RoundClock(device, cancellation);
        var report = new BenchmarkReport
        {
            Time = TimeProvider.System.GetUtcNow(),
            System = SystemFacts.Of(device),
            Options = options.Pretraining,
        };
        if ((options.Parts & NeedTraining) == 0) return report with { Machine = Machine(Peaks(clock, device, []), clock, device) };

        using var folder = new TemporaryFolder();
        using var images = options.Pretraining.Data.Open(options.Pretraining.Seed, options.CacheFolder ?? folder.Path, progress: null, cancellation);
        if (options.Parts == BenchmarkParts.Finetune && images.ClassNames.Count < 2)
            throw new OptionsException(["the pictures have no two classes: there is no classifier to make of them"]);
        var pictures = ColdStart.Age();
        var training = options.Pretraining.Training.Resolved();
        var data = Pretraining.DataOf(options.Pretraining, images, Pretraining.CheckedSplit(options.Pretraining, images));
        using var objective = Pretraining.ObjectiveOf(options.Pretraining, data);
        using var step = new StepUnderTest(objective.Objective, data, training, objective.Flop.Training);
        var model = ColdStart.Age();
        var (firstStep, loss, memory) = ColdStart.Run(step, clock);
        var peaks = Peaks(clock, device, TransformerCost.MatrixProducts(objective.Model.Options, objective.Masks.VisibleCount, training.BatchSize));
        if (Wants(BenchmarkParts.Machine)) report = report with { Machine = Machine(peaks, clock, device) };
        report = Steps(report, images, step, peaks, clock, loss, folder);
        if (Wants(BenchmarkParts.Embed))
            report = report with { Embedding = new EmbeddingBenchmark(images, objective.Model.Encoder, data.Normalization, step.ProductType, clock, device, options).Run(peaks, Begins) };
        if (Wants(BenchmarkParts.Finetune) && images.ClassNames.Count > 1)
            report = report with { Finetuning = Finetune(data, training, objective.Model.Options.Encoder, peaks, clock) };
        return Wants(BenchmarkParts.Step)
            ? report with { StartUp = new StartUpReport(pictures, model, firstStep, Packed: images is PackedImages { WasReused: false }), Memory = memory }
            : report;
    }

    private BenchmarkReport Steps(
        BenchmarkReport report, ImageSet images, StepUnderTest training, PeakRounds peaks, RoundClock clock, double firstLoss, TemporaryFolder folder)
    {
        if ((options.Parts & (BenchmarkParts.Step | BenchmarkParts.Loader)) == 0) return report;
        using var step = new StepBenchmark(training, clock, options, "training step");
        if (Wants(BenchmarkParts.Step)) report = report with { Step = step.Run(peaks, firstLoss, Begins) };
        return Wants(BenchmarkParts.Loader)
            ? report with { Loader = new LoaderBenchmark(images, training, clock, options, folder).Run(step.EndToEnd(Begins), Begins) }
            : report;
    }

    private StepReport Finetune(TrainingData data, TrainingOptions training, VisionTransformerOptions shape, PeakRounds peaks, RoundClock clock)
    {
        var (objective, labelled) = ClassifierOf(data, shape);
        using var owned = objective;
        using var step = new StepUnderTest(objective, labelled, training, TransformerCost.FlopOfClassifying(shape, data.Images.ClassNames.Count).Training);
        var loss = ColdStart.Run(step, clock).Loss;
        using var benchmark = new StepBenchmark(step, clock, options, "fine-tuning step");
        return benchmark.Run(peaks, loss, Begins);
    }

    /// <summary>What makes a classifier: the whole recipe, with mixing and drop path, whatever the number of pictures.</summary>
    internal static (ClassObjective Objective, TrainingData Labelled) ClassifierOf(TrainingData data, VisionTransformerOptions shape)
    {
        var (images, classes) = (data.Images, data.Images.ClassNames.Count);
        var recipe = FinetuneRecipe.For(new FinetuneOptions(), ManyPictures, classes);
        var crops = new Augmentation(recipe.Augmentation, shape.ImageHeight, shape.ImageWidth, data.Seed, shape.Channels);
        var objective = new ClassObjective(
            new Classifier(shape, recipe.Classes.Pooling, classes, data.Seed), recipe.Classes, [.. Enumerable.Repeat(1.0 / classes, classes)], crops,
            new ModelDescription { Encoder = shape, Normalization = data.Normalization }, data.Seed);
        return (objective, data with { Train = [.. data.Train.Where(p => images.Labels[p] >= 0)] });
    }

    private MachineReport Machine(PeakRounds peaks, RoundClock clock, Device device) => new(
        peaks.Scan(ScalarType.Float32, options.Rounds, round => Begins("matrix products, fp32", round)),
        peaks.Scan(ScalarType.BFloat16, options.Rounds, round => Begins("matrix products, bf16", round)),
        Bandwidth(clock, device));

    private Measurement Bandwidth(RoundClock clock, Device device)
    {
        using var source = ones(options.CopyBytes / sizeof(float), ScalarType.Float32, device).DetachFromDisposeScope();
        using var target = zeros_like(source).DetachFromDisposeScope();
        var calls = clock.CallsIn(options.LimitSeconds, Copy);
        return Measurement.Of(Enumerable.Range(1, options.Rounds).Select(round =>
        {
            Begins("memory", round);
            return 2.0 * options.CopyBytes * calls / clock.Seconds(calls, Copy);
        }));

        void Copy() => target.copy_(source);
    }

    private PeakRounds Peaks(RoundClock clock, Device device, IReadOnlyList<MatrixShape> ofModel) => new(clock, device, options, ofModel);

    private bool Wants(BenchmarkParts part) => (options.Parts & part) != 0;

    private void Begins(string doing, int round) => progress?.Report(new BenchmarkProgress(doing, round, options.Rounds));
}

/// <summary>How far a benchmark has come.</summary>
/// <param name="Doing">What is being measured, for people.</param>
/// <param name="Round">The round that begins, from 1.</param>
/// <param name="Rounds">Rounds of this measurement.</param>
public sealed record BenchmarkProgress(string Doing, int Round, int Rounds);
