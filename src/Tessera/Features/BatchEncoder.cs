using Tessera.Data;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Features;

/// <summary>Makes the vectors of batches on all cores: each takes parts of its own, with one thread an operation.</summary>
/// <param name="part">Pictures that a core takes at once. Batches are cut alike however many cores there are, so that their number changes nothing.</param>
/// <param name="device">Where.</param>
/// <param name="vectors">(b, C, H, W) pixels from 0 to 255, on the device, to (b, D) fp32.</param>
/// <param name="augmentation">What batches were drawn with; null: pictures are whole.</param>
internal sealed class BatchEncoder(int part, Device device, Func<Tensor, Tensor> vectors, Augmentation? augmentation = null) : IDisposable
{
    private readonly WorkerThreads threads = new(WorkerThreads.DefaultOn(device));

    /// <summary>Pictures that all cores take at once.</summary>
    public int AtOnce => part * threads.Count;

    /// <summary>The threads, which stand idle between batches.</summary>
    public WorkerThreads Threads => threads;

    /// <summary>The vectors of a batch; no gradient goes through them.</summary>
    /// <returns>(B, D), fp32, on the device</returns>
    public Tensor Encode(Batch batch)
    {
        var made = new Tensor[(batch.Count + part - 1) / part];
        threads.Run(worker =>
        {
            using var quiet = no_grad(); // not inference mode: what is trained on the vectors keeps them
            for (var i = worker; i < made.Length; i += threads.Count)
            {
                using var scope = NewDisposeScope();
                made[i] = vectors(Pixels(batch.Part((i * part)..Math.Min((i + 1) * part, batch.Count)))).DetachFromDisposeScope();
            }
        });
        var all = cat(made);
        foreach (var one in made) one.Dispose();
        return all;
    }

    public void Dispose() => threads.Dispose();

    private Tensor Pixels(Batch batch)
    {
        var whole = batch.Images!.to(device, non_blocking: true);
        return augmentation is null ? whole : augmentation.Apply(whole, batch.Views[0].Crops!.to(device), batch.Views[0].Colours?.to(device));
    }
}
