using Tessera.Data;
using Tessera.Models;
using Tessera.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>What happens to a batch: crops to patches, patches to a loss, its gradients, and the optimiser's step on them.</summary>
/// <remarks>
/// On a CPU the batch is cut into parts (<see cref="BatchParts"/>), and each core computes parts of its own. Their gradients are added up in
/// fp32 and in a fixed order, so the result is a function of the batch and of the number of cores.
/// </remarks>
public sealed class TrainingStep : IDisposable
{
    private readonly MaskedAutoencoder model;
    private readonly AdamW optimizer;
    private readonly Augmentation augmentation;
    private readonly PixelNormalization normalization;
    private readonly Device device;
    private readonly ResidentPixels? resident;
    private readonly int accumulate;
    private readonly double? clip;
    private readonly WorkerThreads threads;
    private readonly Tensor[]?[] sums; // a worker's gradients so far

    /// <summary>Prepares steps.</summary>
    /// <param name="model">The model, on <paramref name="device"/>.</param>
    /// <param name="optimizer">The optimiser of its parameters.</param>
    /// <param name="augmentation">Cuts the crops out.</param>
    /// <param name="normalization">Standardises their pixels.</param>
    /// <param name="device">Where it happens.</param>
    /// <param name="resident">The pictures in the device's memory; null where batches bring their own.</param>
    /// <param name="accumulate">Batches whose gradients are summed before a step; each counts for its share.</param>
    /// <param name="clip">Largest norm of the gradient; null: not clipped.</param>
    /// <param name="workers">Parts of a batch that are computed at once; null: on a CPU as many as libtorch has threads, on a GPU one.</param>
    public TrainingStep(
        MaskedAutoencoder model, AdamW optimizer, Augmentation augmentation, PixelNormalization normalization, Device device,
        ResidentPixels? resident = null, int accumulate = 1, double? clip = null, int? workers = null)
    {
        (this.model, this.optimizer, this.augmentation, this.normalization) = (model, optimizer, augmentation, normalization);
        (this.device, this.resident, this.accumulate, this.clip) = (device, resident, accumulate, clip);
        threads = new WorkerThreads(workers ?? WorkersOn(device));
        sums = new Tensor[]?[threads.Count];
    }

    /// <summary>Told how long each phase takes; null, as in training, measures nothing and waits for nothing.</summary>
    internal StepPhases? Phases { get; set; }

    /// <summary>How many parts of a batch are computed at once on a device.</summary>
    internal static int WorkersOn(Device device) => device.type == DeviceType.CPU ? get_num_threads() : 1;

    /// <summary>Adds a batch's gradients.</summary>
    /// <returns>Its loss, a scalar that has not been waited for; the caller disposes it.</returns>
    public Tensor Accumulate(Batch batch)
    {
        IReadOnlyList<Range> parts = device.type == DeviceType.CPU
            ? BatchParts.Of(batch.Count, threads.Count,
                TransformerCost.BytesKept(model.Options, (int)batch.Mask.Visible.shape[1]), model.Options.Encoder.Patches)
            : [Range.All];
        var losses = new Tensor[parts.Count];
        threads.Run(worker =>
        {
            for (var i = worker; i < parts.Count; i += threads.Count) losses[i] = AddGradients(batch, parts[i], worker);
        });
        if (losses.Length == 1) return losses[0];
        using var scope = NewDisposeScope();
        var loss = stack(losses).sum();
        foreach (var part in losses) part.Dispose();
        return loss.DetachFromDisposeScope();
    }

    /// <summary>Makes one step on the gradients so far and lets them go.</summary>
    public void Update(double learningRate)
    {
        var all = sums.OfType<Tensor[]>().ToArray(); // a batch may have fewer parts than there are workers
        if (all.Length == 0) throw new InvalidOperationException("There are no gradients: call Accumulate before Update.");
        ForEachShare(share =>
        {
            foreach (var more in all.Skip(1)) optimizer.Add(all[0], more, share);
        });
        if (clip is { } norm) TensorLists.Clip(all[0], norm);
        ForEachShare(share => optimizer.Step(learningRate, all[0], share));
        LetGo();
    }

    /// <summary>Ends the threads and frees gradients that were not used; model and optimiser stay.</summary>
    public void Dispose()
    {
        threads.Dispose();
        LetGo();
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

    /// <returns>The part's share of the batch's loss.</returns>
    private Tensor AddGradients(Batch batch, Range pictures, int worker)
    {
        using var scope = NewDisposeScope();
        var part = batch.Part(pictures);
        var patches = Timed(StepPhase.Augment, worker, () => Prepare(part));
        var loss = Timed(StepPhase.Forward, worker, () => model.call(patches, part.Mask.To(device)).Times((double)part.Count / batch.Count));
        sums[worker] = Timed(StepPhase.Backward, worker, () => Added(sums[worker], loss.Times(1.0 / accumulate)));
        return loss.detach().DetachFromDisposeScope();
    }

    /// <returns>The sums with the loss's gradients, in fp32 whatever the model computes in.</returns>
    private Tensor[] Added(Tensor[]? so, Tensor loss)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Tensor[] gradients = [.. autograd.grad([loss], [.. optimizer.Parameters])];
        // The fused optimiser reads memory as it lies, and a gradient may lie otherwise than its parameter (the patch projection's does).
        if (so is null) return [.. gradients.Select(g => g.to(ScalarType.Float32).contiguous().DetachFromDisposeScope())];
        TensorLists.Add(so, gradients);
        return so;
    }

    private void ForEachShare(Action<int> work) => threads.Run(worker =>
    {
        for (var share = worker; share < optimizer.Shares; share += threads.Count) work(share);
    });

    private T Timed<T>(StepPhase phase, int worker, Func<T> work) => Phases is { } phases ? phases.Time(phase, worker, work) : work();

    private void LetGo()
    {
        foreach (var sum in sums.OfType<Tensor[]>().SelectMany(s => s)) sum.Dispose();
        Array.Clear(sums);
    }
}

/// <summary>The loss became infinite or not a number. The message says where, and what to try.</summary>
public sealed class TrainingDivergedException(string message) : Exception(message);
