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
    private readonly DeviceConstants constants = new();

    /// <summary>Pictures that all cores take at once.</summary>
    public int AtOnce => part * threads.Count;

    /// <summary>The threads, which stand idle between batches.</summary>
    public WorkerThreads Threads => threads;

    /// <summary>The vectors of a batch; no gradient goes through them.</summary>
    /// <returns>(B, D), fp32, on the device</returns>
    /// <exception cref="DeviceMemoryException">The device's memory is not enough.</exception>
    public Tensor Encode(Batch batch) =>
        DeviceMemory.For(device, () => Vectors(batch), () => new MemoryNeed($"the vectors of {AtOnce} pictures at once", "leave it more, or compute on another device"));

    private Tensor Vectors(Batch batch)
    {
        var made = new Tensor[(batch.Count + part - 1) / part];
        using var here = batch.On(device);
        threads.Run(worker =>
        {
            using var quiet = no_grad(); // not inference mode: what is trained on the vectors keeps them
            for (var i = worker; i < made.Length; i += threads.Count)
            {
                using var scope = NewDisposeScope();
                made[i] = vectors(Pixels(here.Part((i * part)..Math.Min((i + 1) * part, batch.Count)))).DetachFromDisposeScope();
            }
        });
        var all = cat(made);
        foreach (var one in made) one.Dispose();
        return all;
    }

    public void Dispose()
    {
        threads.Dispose();
        constants.Dispose();
    }

    private Tensor Pixels(Batch batch) => augmentation is null ? batch.Images!
        : augmentation.Apply(batch.Images!, batch.Views[0].Crops!, batch.Views[0].Colours, policy: null, constants);
}
