using System.Buffers;
using System.Runtime.ExceptionServices;
using Microsoft.Win32.SafeHandles;

namespace Tessera.Imaging.Packing;

/// <summary>Decodes a source's pictures on all cores and writes them in order, leaving broken ones out.</summary>
/// <remarks>
/// Workers take runs of pictures and decode each into a buffer of its own. Where a run is written depends on how many pictures of
/// the runs before it were sound, so finished runs wait until those before them are written. One worker writes at a time, all
/// that is due, while the others go on decoding: the system lets only one write to a file, and the rest would wait for it,
/// spinning. A semaphore bounds the runs under way, so memory stays at some megabytes a core. There are more workers than cores: files
/// that the system does not have in its cache are waited for, and a disk or a network that is asked for many at once answers sooner.
/// </remarks>
internal sealed class PixelWriter(ImageSource source, ImageShape shape, SafeFileHandle file, IProgress<PackProgress>? progress) : IDisposable
{
    private const int RunBytes = 1 << 20;
    private const int WorkersPerCore = 4;
    private const int RunsPerCore = 2 * WorkersPerCore;

    private readonly int runLength = Math.Clamp(RunBytes / shape.Pixels, 1, 256);
    private readonly SemaphoreSlim slots = new(Environment.ProcessorCount * RunsPerCore);
    private readonly Lock gate = new();
    private readonly Dictionary<int, Run> finished = [];
    private int nextToTake;
    private int nextToWrite;
    private bool isWriting;

    /// <summary>Indices into the source's entries of the pictures that were written, in their order.</summary>
    public List<int> Written { get; } = [];

    public List<BrokenImage> Broken { get; } = [];

    /// <summary>Over the training pictures.</summary>
    public ChannelSums Statistics { get; } = new(shape.Channels);

    /// <summary>Of the pixels that were written.</summary>
    public PieceChecksums Checksums { get; } = new();

    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="ImageAccessException">A picture's bytes could not be had.</exception>
    /// <exception cref="IOException">Nothing more can be written.</exception>
    public void WriteAll(CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var workers = Enumerable.Range(0, Environment.ProcessorCount * WorkersPerCore).Select(_ => Task.Factory.StartNew(
            () => Work(stop), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        try { Task.WaitAll(workers, CancellationToken.None); }
        catch (AggregateException failures)
        {
            cancellation.ThrowIfCancellationRequested();
            // A worker that fails stops the others: its own exception is the one to tell, not their being stopped.
            var cause = failures.InnerExceptions.FirstOrDefault(failure => failure is not OperationCanceledException);
            ExceptionDispatchInfo.Throw(cause ?? failures.InnerExceptions[0]);
        }
    }

    public void Dispose()
    {
        slots.Dispose();
        foreach (var run in finished.Values)
            ArrayPool<byte>.Shared.Return(run.Pixels);
    }

    private void Work(CancellationTokenSource stop)
    {
        try
        {
            while (true)
            {
                slots.Wait(stop.Token);
                // Taken only with a slot in hand: so the earliest unfinished run always has one, and the rest can follow.
                var number = Interlocked.Increment(ref nextToTake) - 1;
                if ((long)number * runLength >= source.Entries.Count)
                {
                    slots.Release();
                    return;
                }
                HandIn(number, Decode(number, stop.Token));
            }
        }
        catch
        {
            stop.Cancel();
            throw;
        }
    }

    private Run Decode(int number, CancellationToken cancellation)
    {
        var start = number * runLength;
        var end = (int)Math.Min((long)start + runLength, source.Entries.Count);
        var run = new Run(ArrayPool<byte>.Shared.Rent(runLength * shape.Pixels), new ChannelSums(shape.Channels));
        for (var index = start; index < end; index++)
        {
            cancellation.ThrowIfCancellationRequested();
            var picture = run.Pixels.AsSpan(run.Sound.Count * shape.Pixels, shape.Pixels);
            try { source.ReadSound(index, shape, picture); }
            catch (BrokenImageException broken)
            {
                run.Broken.Add(broken.ToBrokenImage());
                continue;
            }
            run.Sound.Add(index);
            if (!source.Entries[index].IsTest)
                run.Statistics.Add(picture);
        }
        return run;
    }

    /// <summary>Leaves a finished run to the worker that writes, or writes all that is due where no one does.</summary>
    private void HandIn(int number, Run run)
    {
        lock (gate)
        {
            finished.Add(number, run);
            if (isWriting)
                return;
            isWriting = true;
        }
        while (TakeDue() is { } due)
            Write(due);
    }

    private Run? TakeDue()
    {
        lock (gate)
        {
            isWriting = finished.Remove(nextToWrite, out var run);
            nextToWrite += isWriting ? 1 : 0;
            return run;
        }
    }

    private void Write(Run run)
    {
        var position = PackedHeader.PixelsStart + (long)Written.Count * shape.Pixels;
        var pixels = run.Pixels.AsSpan(0, run.Sound.Count * shape.Pixels);
        RandomAccess.Write(file, pixels, position);
        Checksums.Append(pixels);
        ArrayPool<byte>.Shared.Return(run.Pixels);
        slots.Release();
        Written.AddRange(run.Sound);
        Broken.AddRange(run.Broken);
        Statistics.Add(run.Statistics);
        progress?.Report(new PackProgress(Written.Count + Broken.Count, source.Entries.Count, Broken.Count));
    }

    private sealed class Run(byte[] pixels, ChannelSums statistics)
    {
        public byte[] Pixels => pixels;

        public ChannelSums Statistics => statistics;

        public List<int> Sound { get; } = [];

        public List<BrokenImage> Broken { get; } = [];
    }
}
