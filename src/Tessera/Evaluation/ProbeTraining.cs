using Tessera.Data;
using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Trains heads side by side on what a frozen encoder says of varied pictures: one pass of the encoder serves all of them.</summary>
/// <param name="images">Pictures of the encoder's size; those that are taken have labels.</param>
/// <param name="vectors">(b, C, H, W) pixels from 0 to 255, on the device, to what heads are given.</param>
/// <param name="part">Pictures that a core encodes at once.</param>
/// <param name="options">How long, and in what batches.</param>
/// <param name="seed">Draws crops and orders.</param>
/// <param name="device">Where encoder and heads are.</param>
internal sealed class ProbeTraining(ImageSet images, Func<Tensor, Tensor> vectors, int part, ProbeOptions options, ulong seed, Device device)
{
    private const double WarmupShare = 0.1; // MAE's probe: 10 of its 90 epochs

    private readonly bool pinned = device.type == DeviceType.CUDA;

    /// <summary>Trains the heads; with fewer pictures than a batch, in one batch an epoch.</summary>
    public void Train(IReadOnlyList<ProbeHead> heads, int[] pictures, IProgress<int>? progress, CancellationToken cancellation)
    {
        var augmentation = new Augmentation(new AugmentationOptions { SmallestCrop = options.SmallestCrop }, images.Shape.Height, images.Shape.Width, seed, images.Shape.Channels);
        var loader = new BatchLoader(images, new BatchPlan([new ViewPlan(augmentation, null)], Labels: true), pinned: pinned);
        using var encoder = new BatchEncoder(part, device, vectors, augmentation);
        var batch = Math.Min(options.BatchSize, pictures.Length);
        var steps = pictures.Length / batch;
        var schedules = heads.Select(head => new LearningRateSchedule(head.Rate * batch / 256, (long)Math.Ceiling(WarmupShare * steps * options.Epochs), (long)steps * options.Epochs)).ToList();
        foreach (var head in heads) head.train();
        for (var (epoch, step) = (0, 0L); epoch < options.Epochs; epoch++)
        {
            foreach (var drawn in loader.Load(BatchLoader.Shuffled(pictures, seed, epoch).AsMemory(0, steps * batch), batch, epoch))
            {
                using var owned = drawn;
                using var scope = NewDisposeScope();
                cancellation.ThrowIfCancellationRequested();
                var (features, labels) = (encoder.Encode(drawn), drawn.Labels!.to(device, non_blocking: true));
                EachHead(encoder.Threads, heads, h =>
                {
                    using var inner = NewDisposeScope();
                    nn.functional.cross_entropy(heads[h].call(features), labels).backward();
                    heads[h].Step(schedules[h].At(step));
                });
                step++;
                progress?.Report((int)(step * batch));
            }
        }
    }

    /// <summary>How often each head is right about whole pictures.</summary>
    public List<(Accuracy Top1, Accuracy Top5)> Measure(IReadOnlyList<ProbeHead> heads, int[] pictures, IProgress<int>? progress, CancellationToken cancellation)
    {
        using var outer = NewDisposeScope();
        using var encoder = new BatchEncoder(part, device, vectors);
        var loader = new BatchLoader(images, BatchPlan.Whole(masks: null) with { Labels = true }, pinned: pinned);
        var (places, done) = (heads.Select(_ => LabelPlaces.None(device)).ToList(), 0);
        foreach (var head in heads) head.eval();
        foreach (var batch in loader.Load(pictures, encoder.AtOnce, epoch: 0))
        {
            using var owned = batch;
            using var scope = NewDisposeScope();
            cancellation.ThrowIfCancellationRequested();
            var (features, labels) = (encoder.Encode(batch), batch.Labels!.to(device, non_blocking: true).unsqueeze(1));
            EachHead(encoder.Threads, heads, h =>
            {
                using var quiet = no_grad();
                using var inner = NewDisposeScope();
                places[h].PlusInPlace(LabelPlaces.Of(heads[h].call(features), labels));
            });
            progress?.Report(done += batch.Count);
        }
        return places.ConvertAll(found => LabelPlaces.Accuracies(found, pictures.Length));
    }

    /// <summary>Each core takes heads of its own.</summary>
    private static void EachHead(WorkerThreads threads, IReadOnlyList<ProbeHead> heads, Action<int> work) => threads.Run(worker =>
    {
        for (var h = worker; h < heads.Count; h += threads.Count) work(h);
    });
}

/// <summary>How probes that take steps are trained.</summary>
public sealed record ProbeOptions
{
    /// <summary>Passes over the labelled pictures. Papers make 90 and more; of a few the figure is lower, and says so by naming them.</summary>
    public int Epochs { get; init; } = 5;

    /// <summary>Pictures a step; rates are scaled by it, as they are given for 256.</summary>
    public int BatchSize { get; init; } = 256;

    /// <summary>Smallest share of a picture that a crop keeps: .08, torchvision's, by which papers train their probes.</summary>
    public double SmallestCrop { get; init; } = 0.08;

    /// <summary>Everything that is wrong with these options; empty when they can be used.</summary>
    public IEnumerable<string> Faults()
    {
        if (Epochs < 1) yield return $"the number of epochs is {Epochs}: it must be at least 1";
        if (BatchSize < 2) yield return $"the batch size is {BatchSize}: it must be at least 2, since a norm is over the batch";
        if (SmallestCrop is not (> 0 and <= 1)) yield return $"the smallest crop is {SmallestCrop}: it must be above 0 and at most 1";
    }
}
