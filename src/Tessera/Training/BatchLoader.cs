using System.Collections.Concurrent;
using Tessera.Imaging;
using Tessera.Masking;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>Makes batches from packed pictures on a thread of its own, a few ahead of their use.</summary>
/// <param name="images">The packed pictures; pixels go straight from the map into a batch.</param>
/// <param name="masks">Draws the masks.</param>
/// <param name="augmentation">Draws the crops; null takes pictures whole.</param>
/// <param name="withPixels">False leaves the pixels out, which are on the device already.</param>
/// <param name="pinned">Whether batches lie in memory from which a GPU fetches them by itself.</param>
public sealed class BatchLoader(
    PackedImages images, MaskSampler masks, Augmentation? augmentation = null, bool withPixels = true, bool pinned = false)
{
    private const int Ahead = 3; // enough to hide a slow batch, and small beside the model

    /// <summary>The order of an epoch: a function of (seed, epoch) and of the pictures.</summary>
    public static int[] Shuffled(ReadOnlySpan<int> pictures, ulong seed, int epoch)
    {
        var order = pictures.ToArray();
        new CounterRandom(seed, RandomPurpose.Shuffle, (uint)epoch, 0).Shuffle(order);
        return order;
    }

    /// <summary>A seeded subset of so many pictures, in ascending order; all where there are no more.</summary>
    public static int[] Subset(ReadOnlySpan<int> pictures, int? limit, ulong seed)
    {
        var subset = limit < pictures.Length ? Shuffled(pictures, seed, epoch: -1)[..limit.Value] : pictures.ToArray();
        Array.Sort(subset);
        return subset;
    }

    /// <summary>The pictures in the given order, in batches; the last may be smaller.</summary>
    /// <param name="pictures">Indices into the packed pictures.</param>
    /// <param name="batchSize">Pictures a batch.</param>
    /// <param name="epoch">The epoch, for crops and masks.</param>
    /// <returns>Batches that the caller disposes. Leaving the loop early stops the thread.</returns>
    public IEnumerable<Batch> Load(ReadOnlyMemory<int> pictures, int batchSize, int epoch)
    {
        using var queue = new BlockingCollection<Batch>(Ahead);
        using var stop = new CancellationTokenSource();
        var filling = Task.Factory.StartNew(
            () => Fill(queue, pictures, batchSize, epoch, stop.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            foreach (var batch in queue.GetConsumingEnumerable()) yield return batch;
            filling.GetAwaiter().GetResult();
        }
        finally
        {
            stop.Cancel();
            filling.ContinueWith(_ => { }, TaskScheduler.Default).Wait(); // its fault, if any, was thrown above
            while (queue.TryTake(out var unused)) unused.Dispose();
        }
    }

    private void Fill(BlockingCollection<Batch> queue, ReadOnlyMemory<int> pictures, int batchSize, int epoch, CancellationToken stop)
    {
        try
        {
            for (var start = 0; start < pictures.Length; start += batchSize)
            {
                var chosen = pictures.Span[start..Math.Min(start + batchSize, pictures.Length)].ToArray();
                var batch = Make(chosen, epoch);
                try
                {
                    queue.Add(batch, stop);
                }
                catch (OperationCanceledException)
                {
                    batch.Dispose();
                    return;
                }
            }
        }
        finally
        {
            queue.CompleteAdding();
        }
    }

    private Batch Make(int[] pictures, int epoch)
    {
        Tensor? crops = null;
        if (augmentation is not null)
        {
            var drawn = new float[pictures.Length * Augmentation.CropValues];
            augmentation.Draw(pictures, epoch, drawn);
            crops = tensor(drawn, [pictures.Length, Augmentation.CropValues]);
        }
        var indices = tensor(Array.ConvertAll(pictures, p => (long)p));
        var batch = new Batch(withPixels ? Pixels(pictures) : null, crops, masks.Draw(pictures, epoch), indices);
        return pinned ? batch.Pin() : batch;
    }

    private Tensor Pixels(int[] pictures)
    {
        var shape = images.Shape;
        var pixels = empty(pictures.Length, shape.Channels, shape.Height, shape.Width, ScalarType.Byte);
        var target = pixels.bytes;
        for (var i = 0; i < pictures.Length; i++) images.Pixels(pictures[i]).CopyTo(target[(i * shape.Pixels)..]);
        return pixels;
    }
}
