using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Tessera.Ranks;
using static TorchSharp.torch;

namespace Tessera.Tests.Fixtures;

/// <summary>Ranks that are threads of one process: the same protocol without MPI, in any number.</summary>
internal sealed class ThreadRanks : Communicator
{
    private readonly Meeting meeting;

    private ThreadRanks(Meeting meeting, int rank) => (this.meeting, Rank) = (meeting, rank);

    public override int Rank { get; }

    public override int Size => meeting.Slots.Length;

    public override int LocalRank => Rank;

    public override int LocalSize => Size;

    public override string Description => $"{Size} threads";

    /// <summary>Whether it has told the others that it fails.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Runs every rank on a thread of its own.</summary>
    /// <returns>What each came to, by rank.</returns>
    /// <exception cref="Exception">What the lowest rank threw, when all have ended.</exception>
    public static IReadOnlyList<T> Run<T>(int size, Func<Communicator, T> work)
    {
        var (results, faults) = Try(size, work);
        if (faults.OfType<Exception>().FirstOrDefault(f => f is not OperationCanceledException) is { } fault) ExceptionDispatchInfo.Throw(fault);
        if (faults.OfType<Exception>().FirstOrDefault() is { } end) ExceptionDispatchInfo.Throw(end);
        return results;
    }

    /// <summary>The same, with what each rank threw.</summary>
    public static (IReadOnlyList<T> Results, IReadOnlyList<Exception?> Faults) Try<T>(int size, Func<Communicator, T> work)
    {
        using var meeting = new Meeting(size);
        var (results, faults) = (new T[size], new Exception?[size]);
        var threads = Enumerable.Range(0, size).Select(rank => new Thread(() =>
        {
            using var scope = NewDisposeScope();
            try { results[rank] = work(new ThreadRanks(meeting, rank)); }
            catch (Exception e)
            {
                faults[rank] = e;
                meeting.End.Cancel(); // nobody waits for it
            }
        })).ToArray();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
        return (results, faults);
    }

    /// <summary>Sums begun so far.</summary>
    public int Sums { get; private set; }

    public override Task StartSum(Tensor values)
    {
        Sums++;
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var all = Exchange(values.clone().DetachFromDisposeScope());
        var sum = all[0].clone();
        foreach (var term in all.Skip(1)) sum.add_(term, 1);
        values.copy_(sum);
        Exchange(0); // the terms are no longer read
        all[Rank].Dispose();
        return Task.CompletedTask;
    }

    public override void FromFirst(Tensor values)
    {
        var bytes = Exchange(values.dtype == ScalarType.Float32 ? values.data<float>().ToArray() : throw new NotSupportedException(values.dtype.ToString()))[0];
        bytes.CopyTo(MemoryMarshal.Cast<byte, float>(values.bytes));
    }

    public override byte[] FromFirst(byte[] own) => Exchange(own)[0];

    public override IReadOnlyList<byte[]> Gather(byte[] own) => Exchange(own);

    public override string Name(int rank) => $"rank {rank} on here";

    public override void Fail() => HasFailed = true;

    private T[] Exchange<T>(T own)
    {
        meeting.Slots[Rank] = own;
        meeting.Gate.SignalAndWait(meeting.End.Token);
        var all = meeting.Slots.Select(s => (T)s!).ToArray();
        meeting.Gate.SignalAndWait(meeting.End.Token);
        return all;
    }

    private sealed class Meeting(int size) : IDisposable
    {
        public object?[] Slots { get; } = new object?[size];

        public Barrier Gate { get; } = new(size);

        public CancellationTokenSource End { get; } = new();

        public void Dispose()
        {
            Gate.Dispose();
            End.Dispose();
        }
    }
}
