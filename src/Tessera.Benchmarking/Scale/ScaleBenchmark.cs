using Tessera.Imaging;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Benchmarking.Scale;

/// <summary>Measures a rank's step on this machine, and simulates training over several such ranks. <c>docs/scaling.md</c> says how.</summary>
/// <param name="options">What is measured and simulated.</param>
/// <param name="progress">Told as each round begins, on the calling thread.</param>
public sealed class ScaleBenchmark(ScaleOptions options, IProgress<BenchmarkProgress>? progress = null)
{
    private const int Growth = 4; // from one measured size to the next
    private const int MostSteps = 1000; // a round, however short they are

    /// <summary>Measures and simulates.</summary>
    /// <param name="cancellation">Ends it after the step under way; nothing is left behind.</param>
    /// <exception cref="OptionsException">The options cannot be run; every fault is named.</exception>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    /// <exception cref="ImagingException">The pictures cannot be read or packed.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public ScaleReport Run(CancellationToken cancellation = default)
    {
        options.Validate();
        var training = options.Pretraining.Training.Resolved();
        var device = ComputeDevice.Resolve(training.Device);
        ComputePrecision.Apply(training.Precision, device);
        var (batch, clock) = (training.EffectiveBatch, new RoundClock(device, cancellation));

        using var folder = new TemporaryFolder();
        using var images = options.Pretraining.Data.Open(options.Pretraining.Seed, options.CacheFolder ?? folder.Path, progress: null, cancellation);
        var data = Pretraining.DataOf(options.Pretraining, images, Pretraining.CheckedSplit(Fewest(options.Pretraining), images));
        using var objective = Pretraining.ObjectiveOf(options.Pretraining, data);
        using var step = new StepUnderTest(objective.Objective, data, training with { Accumulate = 1 }, objective.Flop.Training);
        var measured = Measure(step, clock, smallest: step.Couples ? 2 : 1, Math.Min(batch, training.BatchSize));

        var model = new ScaleModel(new StepTimes(measured), step.Parameters, batch, options.Wire, options.BucketBytes, options.Stages);
        var rows = from scaling in Enum.GetValues<Scaling>()
                   from format in Enum.GetValues<WireFormat>()
                   from ranks in options.Ranks.Distinct().Order()
                   select model.Row(scaling, format, ranks);
        return new ScaleReport(TimeProvider.System.GetUtcNow(), SystemFacts.Of(device), options.Pretraining, step.Precision, options.Wire, options.BucketBytes, options.Stages,
            step.Parameters, measured, [.. rows], model.Sharding(step.Precision, Memory(device), options.Ranks));
    }

    /// <summary>The step at ever larger numbers of pictures, to the largest that is computed at once or the first that takes long.</summary>
    private List<StepTime> Measure(StepUnderTest step, RoundClock clock, int smallest, int largest)
    {
        var measured = new List<StepTime>();
        for (var pictures = Math.Min(smallest, largest); ; pictures = Math.Min(largest, pictures * Growth))
        {
            measured.Add(At(step, clock, pictures));
            var last = measured[^1];
            if (pictures == largest || Growth * (last.Forward + last.Backward) > options.LargestStepSeconds) return measured;
        }
    }

    private StepTime At(StepUnderTest step, RoundClock clock, int pictures)
    {
        var (what, steps) = ($"a step of {pictures} {(pictures == 1 ? "picture" : "pictures")}", options.Steps ?? 1);
        if (options.Steps is null) steps = (int)Math.Clamp(options.RoundSeconds / step.MeanByPhases(1, clock, pictures).Total, 1, MostSteps);
        // The fastest round counts: what else a shared machine does makes each slower, and none faster.
        var fastest = Enumerable.Range(1, options.Rounds).Select(round =>
        {
            progress?.Report(new BenchmarkProgress(what, round, options.Rounds));
            return step.MeanByPhases(steps, clock, pictures);
        }).MinBy(round => round.Total - round.Waiting);
        // What a step takes besides, such as waiting for the slower worker, comes before its gradients are final. Waiting for the loader is another machine's matter.
        var forward = fastest.Total - fastest.Waiting - fastest.Backward - fastest.Optimizer;
        return new StepTime(pictures, forward, fastest.Backward, fastest.Optimizer, step.PartsPerWorker(pictures));
    }

    /// <summary>The same training of so few pictures a step that any source has them: an effective batch may be simulated that the source has not.</summary>
    private static PretrainOptions Fewest(PretrainOptions pretraining) =>
        pretraining with { Training = pretraining.Training with { BatchSize = 2, Accumulate = 1 } };

    private static long Memory(Device device) =>
        device.type == DeviceType.CUDA ? CudaDriver.Installed.TotalMemory(device) : GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
}
