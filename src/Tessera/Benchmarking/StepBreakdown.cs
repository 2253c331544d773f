
namespace Tessera.Benchmarking;

/// <summary>
/// Where an optimiser step's time goes, seconds a step. On a GPU each phase is waited for, which a training step does not do, so
/// the sum is more than a step takes.
/// </summary>
/// <param name="Waiting">Waiting for the loader's next batch.</param>
/// <param name="Augment">Bringing the batch to the device, crops, flips, standardising, cutting into patches.</param>
/// <param name="Forward">From patches to the loss.</param>
/// <param name="Backward">From the loss to the gradients.</param>
/// <param name="Optimizer">Clipping and AdamW.</param>
/// <param name="Total">All of it, and freeing what the step made.</param>
public sealed record StepBreakdown(
    Measurement Waiting, Measurement Augment, Measurement Forward, Measurement Backward, Measurement Optimizer, Measurement Total);
