using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runtime;
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
    private const BenchmarkParts NeedTraining = BenchmarkParts.Step | BenchmarkParts.Loader | BenchmarkParts.Embed;

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
            Time = DateTimeOffset.UtcNow,
            System = SystemFacts.Of(device),
            Options = options.Pretraining,
        };
        if ((options.Parts & NeedTraining) == 0) return report with { Machine = Machine(Peaks(clock, device, []), clock, device) };

        using var folder = new TemporaryFolder();
        using var images = options.Pretraining.Data.Open(options.Pretraining.Seed, options.CacheFolder ?? folder.Path, progress: null, cancellation);
        var pictures = ColdStart.Age();
        using var training = new StepUnderTest(options.Pretraining, images);
        var model = ColdStart.Age();
        var (firstStep, loss, memory) = ColdStart.Run(training, clock);
        var peaks = Peaks(clock, device, TransformerCost.MatrixProducts(training.Model.Options, training.Masks.VisibleCount, options.Pretraining.Training.BatchSize));
        if (Wants(BenchmarkParts.Machine)) report = report with { Machine = Machine(peaks, clock, device) };
        report = Training(report, images, training, peaks, clock, device, loss, folder);
        return Wants(BenchmarkParts.Step)
            ? report with { StartUp = new StartUpReport(pictures, model, firstStep, Packed: images is PackedImages { WasReused: false }), Memory = memory }
            : report;
    }

    private BenchmarkReport Training(
        BenchmarkReport report, ImageSet images, StepUnderTest training, PeakRounds peaks, RoundClock clock, Device device,
        double firstLoss, TemporaryFolder folder)
    {
        if ((options.Parts & (BenchmarkParts.Step | BenchmarkParts.Loader)) != 0)
        {
            using var step = new StepBenchmark(training, clock, options);
            if (Wants(BenchmarkParts.Step)) report = report with { Step = step.Run(peaks, firstLoss, Begins) };
            if (Wants(BenchmarkParts.Loader))
                report = report with { Loader = new LoaderBenchmark(images, training, clock, options, folder).Run(step.EndToEnd(Begins), Begins) };
        }
        return Wants(BenchmarkParts.Embed)
            ? report with { Embedding = new EmbeddingBenchmark(images, training, clock, device, options).Run(peaks, Begins) }
            : report;
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
