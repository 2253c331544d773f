using System.Buffers;
using System.Runtime.InteropServices;

namespace Tessera.Imaging;

/// <summary>The memory that all pictures that are decoded at once share, so that many large ones on many cores do not fill a machine's.</summary>
/// <remarks>
/// A picture waits until there is room for it, in the order in which they ask, and one that is larger than all of it is decoded alone. Who waits holds nothing
/// that another waits for, so nobody waits for ever.
/// </remarks>
/// <param name="budget">Bytes.</param>
internal sealed class DecodingMemory(long budget)
{
    private const long LeastBudget = 1L << 29; // the largest picture that is read

    private const int LargestPooled = 1 << 24; // what is larger is given back to the system at once: the pool would keep it for each thread

    private readonly Lock gate = new();
    private readonly Queue<Waiting> waiting = new();
    private long taken;

    /// <summary>A quarter of what the process may have, at least 512 MB.</summary>
    public static DecodingMemory OfProcess { get; } = new(Math.Max(LeastBudget, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4));

    /// <summary>Bytes of the pictures that are being decoded.</summary>
    public long Taken
    {
        get
        {
            lock (gate) return taken;
        }
    }

    /// <summary>Pictures that wait for room.</summary>
    public int Queued
    {
        get
        {
            lock (gate) return waiting.Count;
        }
    }

    /// <summary>Memory for one picture's pixels, once there is room for it.</summary>
    /// <param name="length">Bytes of its pixels.</param>
    /// <param name="beside">Bytes that its decoder takes besides.</param>
    /// <returns>What gives all of it back when it is disposed.</returns>
    public Pixels Take(int length, long beside)
    {
        var bytes = length + beside;
        Enter(bytes);
        try
        {
            return new Pixels(this, length, bytes);
        }
        catch
        {
            Leave(bytes);
            throw;
        }
    }

    private void Enter(long bytes)
    {
        Waiting turn;
        lock (gate)
        {
            if (waiting.Count == 0 && Fits(bytes))
            {
                taken += bytes;
                return;
            }
            waiting.Enqueue(turn = new Waiting(bytes));
        }
        turn.Come.Wait();
        turn.Come.Dispose();
    }

    private void Leave(long bytes)
    {
        lock (gate)
        {
            taken -= bytes;
            while (waiting.TryPeek(out var next) && Fits(next.Bytes))
            {
                waiting.Dequeue();
                taken += next.Bytes;
                next.Come.Release();
            }
        }
    }

    private bool Fits(long bytes) => taken == 0 || taken + bytes <= budget;

    private sealed record Waiting(long Bytes)
    {
        public SemaphoreSlim Come { get; } = new(0);
    }

    /// <summary>One picture's decoded pixels.</summary>
    public sealed unsafe class Pixels : IDisposable
    {
        private readonly DecodingMemory owner;
        private readonly long bytes;
        private readonly int length;
        private readonly byte[]? pooled;
        private void* native;
        private bool isGone;

        internal Pixels(DecodingMemory owner, int length, long bytes)
        {
            (this.owner, this.length, this.bytes) = (owner, length, bytes);
            if (length <= LargestPooled) pooled = ArrayPool<byte>.Shared.Rent(length);
            else native = NativeMemory.Alloc((nuint)length);
        }

        /// <summary>As many bytes as were asked for; what is in them is not said.</summary>
        public Span<byte> Bytes => pooled is null ? new Span<byte>(native, length) : pooled.AsSpan(0, length);

        public void Dispose()
        {
            if (isGone) return;
            isGone = true;
            if (pooled is not null) ArrayPool<byte>.Shared.Return(pooled);
            NativeMemory.Free(native);
            native = null;
            owner.Leave(bytes);
        }
    }
}
