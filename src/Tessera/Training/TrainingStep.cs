using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>What happens to a batch: crops to patches, patches to a loss, its gradients, and the optimiser's step on them.</summary>
/// <param name="model">The model, on <paramref name="device"/>.</param>
/// <param name="optimizer">The optimiser of its parameters.</param>
/// <param name="augmentation">Cuts the crops out.</param>
/// <param name="normalization">Standardises their pixels.</param>
/// <param name="device">Where it happens.</param>
/// <param name="resident">The pictures in the device's memory; null where batches bring their own.</param>
/// <param name="accumulate">Batches whose gradients are summed before a step; each counts for its share.</param>
/// <param name="clip">Largest norm of the gradient; null: not clipped.</param>
public sealed class TrainingStep(
    MaskedAutoencoder model, AdamW optimizer, Augmentation augmentation, PixelNormalization normalization, Device device,
    ResidentPixels? resident = null, int accumulate = 1, double? clip = null)
{
    /// <summary>Adds a batch's gradients.</summary>
    /// <returns>Its loss, a scalar that has not been waited for; the caller disposes it.</returns>
    public Tensor Accumulate(Batch batch)
    {
        using var scope = NewDisposeScope();
        using var mask = batch.Mask.To(device);
        var loss = model.call(Prepare(batch), mask);
        Backward(loss);
        return loss.detach().DetachFromDisposeScope();
    }

    /// <summary>Makes one step on the gradients so far and lets them go.</summary>
    public void Update(double learningRate)
    {
        if (clip is { } norm) optimizer.Clip(norm);
        optimizer.Step(learningRate);
    }

    /// <summary>Crops, flips and standardises a batch, and cuts it into patches.</summary>
    /// <returns>(B, N, p·p·C), float32</returns>
    internal Tensor Prepare(Batch batch)
    {
        using var scope = NewDisposeScope();
        var whole = resident?.Gather(batch.Pictures) ?? batch.Images!.to(device, non_blocking: true);
        var pixels = augmentation.Apply(whole, batch.Crops!.to(device, non_blocking: true));
        return Patches.Cut(normalization.Standardize(pixels), model.Options.Encoder.PatchSize).MoveToOuterDisposeScope();
    }

    internal void Backward(Tensor loss)
    {
        using var scope = NewDisposeScope();
        (accumulate == 1 ? loss : loss / accumulate).backward();
    }
}
