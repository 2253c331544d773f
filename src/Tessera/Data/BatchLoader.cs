using System.Collections.Concurrent;
using Tessera.Imaging;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>Makes batches of pictures on a thread of its own, a few ahead of their use; where pictures must be decoded, on all cores.</summary>
/// <param name="images">The pictures; their pixels go straight into a batch.</param>
/// <param name="plan">What is drawn for each picture.</param>
/// <param name="withPixels">False leaves the pixels out, which are on the device already.</param>
/// <param name="pinned">Whether batches lie in memory from which a GPU fetches them by itself.</param>
/// <param name="share">Which pictures of each batch are taken; null: all.</param>
/// <remarks>
/// A few batches at most are under way, so memory is bounded. Decoding, the cores work on all of these at once, so none idles while a batch's last
/// picture is decoded. Batches come in their order and hold the same bytes, whatever thread was faster.
/// </remarks>
public sealed class BatchLoader(ImageSet images, BatchPlan plan, bool withPixels = true, bool pinned = false, BatchShare? share = null)
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
    /// <param name="pictures">Indices into the pictures.</param>
    /// <param name="batchSize">Pictures a batch.</param>
    /// <param name="epoch">The epoch, for crops and masks.</param>
    /// <returns>Batches that the caller disposes. Leaving the loop early stops the threads.</returns>
    public IEnumerable<Batch> Load(ReadOnlyMemory<int> pictures, int batchSize, int epoch)
    {
        using var queue = new BlockingCollection<Task<Batch>>(Ahead);
        using var stop = new CancellationTokenSource();
        var filling = Task.Factory.StartNew(
            () => Fill(queue, pictures, batchSize, epoch, stop.Token), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            foreach (var batch in queue.GetConsumingEnumerable()) yield return batch.GetAwaiter().GetResult();
            filling.GetAwaiter().GetResult();
        }
        finally
        {
            stop.Cancel();
            filling.ContinueWith(_ => { }, TaskScheduler.Default).Wait(); // its fault, if any, was thrown above
            while (queue.TryTake(out var unused)) Discard(unused);
        }
    }

    private void Fill(BlockingCollection<Task<Batch>> queue, ReadOnlyMemory<int> pictures, int batchSize, int epoch, CancellationToken stop)
    {
        try
        {
            for (var start = 0; start < pictures.Length; start += batchSize)
            {
                var batch = Make(pictures[start..Math.Min(start + batchSize, pictures.Length)], epoch, stop);
                try
                {
                    queue.Add(batch, stop);
                }
                catch (OperationCanceledException)
                {
                    Discard(batch);
                    return;
                }
            }
        }
        finally
        {
            queue.CompleteAdding();
        }
    }

    /// <summary>Waits until no thread works on a batch any more, and frees it.</summary>
    private static void Discard(Task<Batch> batch) => batch.ContinueWith(made =>
    {
        if (made.IsCompletedSuccessfully) made.Result.Dispose();
        else _ = made.Exception; // nobody waits for this batch, so its fault is nobody's
    }, TaskScheduler.Default).Wait();

    private async Task<Batch> Make(ReadOnlyMemory<int> whole, int epoch, CancellationToken stop)
    {
        var (start, count) = (share ?? BatchShare.Whole).Of(whole.Length).GetOffsetAndLength(whole.Length);
        // The picture that the last one is mixed with is another rank's.
        var borrows = plan.Mix is not null && count < whole.Length;
        int[] pictures = [.. whole.Slice(start, count).Span, .. borrows ? [whole.Span[(start + count) % whole.Length]] : Array.Empty<int>()];
        var batch = Draw(pictures, epoch);
        try
        {
            if (batch.Images is { } pixels)
            {
                if (images.DecodesWhenRead) await Decode(pictures, pixels, stop).ConfigureAwait(false);
                else Copy(pictures, pixels);
            }
            batch = Mixed(batch, pictures, count, whole.Length, epoch) with { Whole = whole.Length };
        }
        catch
        {
            batch.Dispose();
            throw;
        }
        return pinned ? batch.Pin() : batch;
    }

    /// <summary>The first pictures of a batch, with what each is mixed with: the one that follows it, and after the last the one beyond, or the first.</summary>
    private Batch Mixed(Batch batch, int[] pictures, int count, int whole, int epoch)
    {
        if (plan.Mix is not { } mix) return batch;
        var (height, width) = (images.Shape.Height, images.Shape.Width);
        MixDraw Draw(Batch next) => mix.Draw(pictures.AsSpan(0, count), epoch, height, width, next, isOnly: whole == 1);
        if (count == pictures.Length) return batch with { Mix = Draw(batch.Part(..1)) }; // in the same memory
        using (batch) return batch.Part(..count) with { Mix = Draw(batch.Part(count..)) };
    }

    /// <summary>A batch with everything random but its mix, and with room for its pixels.</summary>
    private Batch Draw(int[] pictures, int epoch)
    {
        var views = plan.Views.Select((view, v) =>
        {
            var mask = view.Masks?.Draw(pictures, epoch, v);
            return view.Augmentation?.DrawView(pictures, epoch, v, mask) ?? new ViewDraw(null, null, mask);
        });
        var labels = plan.Labels || plan.Mix is not null ? tensor(Array.ConvertAll(pictures, p => (long)images.Labels[p])) : null;
        var indices = tensor(Array.ConvertAll(pictures, p => (long)p));
        var (channels, height, width) = images.Shape;
        var pixels = withPixels ? empty(pictures.Length, channels, height, width, ScalarType.Byte) : null;
        return new Batch(pixels, [.. views], labels, indices, Paths: plan.Paths?.Draw(pictures, epoch));
    }

    private void Copy(int[] pictures, Tensor pixels)
    {
        var target = pixels.bytes;
        var length = images.Shape.Pixels;
        for (var i = 0; i < pictures.Length; i++) images.Read(pictures[i], target.Slice(i * length, length));
    }

    private Task Decode(int[] pictures, Tensor pixels, CancellationToken stop)
    {
        var length = images.Shape.Pixels;
        return Parallel.ForAsync(0, pictures.Length, stop, (i, _) =>
        {
            images.Read(pictures[i], pixels.bytes.Slice(i * length, length));
            return ValueTask.CompletedTask;
        });
    }
}
