using System.Diagnostics;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Benchmarking;

/// <summary>The training step and its loader, put together as <see cref="Pretraining"/> puts them together.</summary>
internal sealed class StepUnderTest : IDisposable
{
    private const double LearningRate = 1e-6; // the weights hardly move, however many steps are measured

    private readonly PretrainOptions options;
    private readonly int[] pictures;
    private readonly AdamW optimizer;
    private readonly ResidentPixels? resident;
    private readonly TrainingStep step;
    private readonly BatchLoader loader;
    private readonly Device device;

    public StepUnderTest(PretrainOptions options, PackedImages images, Device device)
    {
        (this.options, this.device) = (options, device);
        pictures = Pretraining.CheckedSplit(options, images).Train;
        var architecture = options.ToModel();
        Normalization = new PixelNormalization(images.Mean, [.. images.StandardDeviation.Select(d => Math.Max(d, 1.0 / 255))]);
        Precision = ComputePrecision.Resolve(options.Precision, device);
        (Model, optimizer) = Pretraining.Build(architecture, options, Precision, device);
        resident = ResidentPixels.Place(images, options.DataOnDevice, device);
        Masks = new MaskSampler(options.ToMask(), architecture, options.Seed);
        var augmentation = new Augmentation(options.ToAugmentation(), images.Shape.Height, images.Shape.Width, options.Seed);
        loader = new BatchLoader(images, Masks, augmentation, withPixels: resident is null, pinned: device.type == DeviceType.CUDA);
        step = new TrainingStep(Model, optimizer, augmentation, Normalization, device, resident, options.Accumulate, options.Clip);
    }

    public MaskedAutoencoder Model { get; }

    public PixelNormalization Normalization { get; }

    public MaskSampler Masks { get; }

    public Precision Precision { get; }

    /// <summary>The number format of the model's matrix products.</summary>
    public ScalarType ProductType => Precision == Precision.Bf16 ? ScalarType.BFloat16 : ScalarType.Float32;

    /// <summary>Batches of an endless training, epoch after epoch; as many as so many optimiser steps take.</summary>
    public IEnumerable<Batch> Load(int steps)
    {
        var order = new int[(long)steps * options.EffectiveBatch];
        var epoch = Array.Empty<int>();
        for (var i = 0; i < order.Length; i++)
        {
            if (i % pictures.Length == 0) epoch = BatchLoader.Shuffled(pictures, options.Seed, i / pictures.Length);
            order[i] = epoch[i % pictures.Length];
        }
        return loader.Load(order, options.BatchSize, epoch: 0);
    }

    /// <summary>One optimiser step on batches that stay with the caller.</summary>
    /// <returns>The last batch's loss, not waited for; the caller disposes it.</returns>
    public Tensor Step(Func<Batch> next)
    {
        for (var i = 1; i < options.Accumulate; i++) step.Accumulate(next()).Dispose();
        var loss = step.Accumulate(next());
        step.Update(LearningRate);
        return loss;
    }

    /// <summary>One optimiser step on the batches that the loader hands over next; each is freed after its use.</summary>
    /// <returns>The last batch's loss, not waited for; the caller disposes it.</returns>
    public Tensor Step(IEnumerator<Batch> batches)
    {
        Batch? used = null;
        var loss = Step(() =>
        {
            used?.Dispose();
            batches.MoveNext();
            return used = batches.Current;
        });
        used!.Dispose();
        return loss;
    }

    /// <summary>One optimiser step, each of whose phases is waited for.</summary>
    /// <returns>Seconds of waiting for data, augmentation, forward, backward, optimiser, and of all.</returns>
    public double[] StepByPhases(IEnumerator<Batch> batches, Action wait)
    {
        var seconds = new double[6];
        var begin = Stopwatch.GetTimestamp();
        for (var i = 0; i < options.Accumulate; i++)
        {
            using var scope = NewDisposeScope();
            Time(0, () => batches.MoveNext());
            using var batch = batches.Current;
            var (patches, mask) = Time(1, () => (step.Prepare(batch), batch.Mask.To(device)));
            var loss = Time(2, () => Model.call(patches, mask));
            Time(3, () => { step.Backward(loss); return true; });
        }
        Time(4, () => { step.Update(LearningRate); return true; });
        seconds[^1] = Stopwatch.GetElapsedTime(begin).TotalSeconds;
        return seconds;

        T Time<T>(int phase, Func<T> work)
        {
            var start = Stopwatch.GetTimestamp();
            var result = work();
            wait();
            seconds[phase] += Stopwatch.GetElapsedTime(start).TotalSeconds;
            return result;
        }
    }

    public void Dispose()
    {
        resident?.Dispose();
        optimizer.Dispose();
        Model.Dispose();
    }
}
