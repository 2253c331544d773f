using Tessera.Data;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Runs;

/// <summary>What a training step needs, put together from options: the same for a run and for a benchmark.</summary>
internal sealed class TrainingParts : IDisposable
{
    private const double LeastDeviation = 1.0 / 255; // of pictures that are all alike

    private readonly ResidentPixels? resident;

    public TrainingParts(PretrainOptions options, ImageSet images, Device device, int? workers = null)
    {
        var threads = workers ?? TrainingStep.WorkersOn(device);
        if (device.type == DeviceType.CPU) ProcessHeap.KeepFreedMemory();
        Precision = ComputePrecision.Resolve(options.Precision, device);
        ComputePrecision.Apply(Precision, device);
        var architecture = options.ToModel();
        Normalization = new PixelNormalization(images.Mean, [.. images.StandardDeviation.Select(d => Math.Max(d, LeastDeviation))]);
        Masks = new MaskSampler(options.ToMask(), architecture, options.Seed);
        Model = new MaskedAutoencoder(architecture, options.Seed).to(device);
        Optimizer = Prepare(new AdamWOptions { WeightDecay = options.WeightDecay }, threads);
        resident = ResidentPixels.Place(images, options.DataOnDevice, device);

        var augmentation = new Augmentation(options.ToAugmentation(), images.Shape.Height, images.Shape.Width, options.Seed);
        Loader = new BatchLoader(images, Masks, augmentation, withPixels: resident is null, pinned: device.type == DeviceType.CUDA);
        Step = new TrainingStep(Model, Optimizer, augmentation, Normalization, device, resident, options.Accumulate, options.Clip, threads);
    }

    /// <summary>The number format that the options came to on this device.</summary>
    public Precision Precision { get; }

    public PixelNormalization Normalization { get; }

    public MaskSampler Masks { get; }

    public MaskedAutoencoder Model { get; private set; }

    public AdamW Optimizer { get; }

    public BatchLoader Loader { get; }

    public TrainingStep Step { get; }

    public void Dispose()
    {
        Step.Dispose();
        resident?.Dispose();
        Optimizer.Dispose();
        Model.Dispose();
    }

    private AdamW Prepare(AdamWOptions constants, int shares)
    {
        if (Precision != Precision.Bf16) return new AdamW(Model, constants, shares: shares);
        using var scope = NewDisposeScope();
        var weights = Model.named_parameters().ToDictionary(p => p.name, p => p.parameter.detach().clone());
        Model = Model.to(ScalarType.BFloat16);
        return new AdamW(Model, constants, weights, shares);
    }
}
