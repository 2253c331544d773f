using System.Collections.Concurrent;
using System.Text;
using Tessera.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Ranks;

/// <summary>Ranks that meet by MPI.</summary>
/// <remarks>
/// One thread makes all calls, in the order in which they were asked for: MPI needs no more of threads than that it may be another than the program's
/// first, and a sum goes on while the asking thread computes.
/// </remarks>
internal sealed class MpiCommunicator : Communicator
{
    private const long PieceBytes = 1L << 30; // MPI counts by int

    private readonly BlockingCollection<Action> asked = [];
    private readonly Thread thread;
    private readonly Mpi mpi;
    private readonly string[] hosts;
    private readonly RankWatch watch;
    private readonly Lazy<nint> ncclLibrary = new(() => Nccl.Find(LibTorch.Folder));
    private Nccl? nccl;

    private MpiCommunicator(Launch launch, Action<RankLoss> lost)
    {
        thread = new Thread(Serve) { IsBackground = true, Name = "ranks" };
        thread.Start();
        mpi = On(() => Mpi.Load(launch.Family)).GetAwaiter().GetResult();
        if (mpi.Size != launch.Size || mpi.Rank != launch.Rank)
            throw new RanksException($"{launch.Launcher} started {launch.Size} ranks, of which this is {launch.Rank}, and {mpi.Version} sees {mpi.Size}, of which this is {mpi.Rank}: "
                + $"start them by this library's own launcher, or set {Mpi.LibraryVariable} to the library of this one.");
        (Rank, Size, LocalRank) = (mpi.Rank, mpi.Size, launch.LocalRank);
        // Hosts may have one name (containers): where ranks are is told by the file system's own number of a start, too.
        var place = $"{Environment.MachineName}\n{BootAndNetwork()}";
        var places = Gather(Encoding.UTF8.GetBytes(place)).Select(Encoding.UTF8.GetString).ToArray();
        hosts = [.. places.Select(p => p.Split('\n')[0])];
        LocalSize = places.Count(p => p == place);
        var different = places.Distinct().Count();
        Description = $"{Size} ranks on {different} {(different == 1 ? "host" : "hosts")} ({mpi.Version})";
        watch = RankWatch.Begin(this, lost);
    }

    public override int Rank { get; }

    public override int Size { get; }

    public override int LocalRank { get; }

    public override int LocalSize { get; }

    public override string Description { get; }

    public override long StepsMade
    {
        get => watch.Step;
        set => watch.Step = value;
    }

    /// <exception cref="RanksException">MPI is missing, or not of the launcher's kind, or the ranks cannot meet.</exception>
    public static MpiCommunicator Join(Launch launch, Action<RankLoss> lost) => new(launch, lost);

    public override Task StartSum(Tensor values)
    {
        if (values.dtype is not (ScalarType.Float32 or ScalarType.BFloat16)) throw new ArgumentException($"Sums are of float32 or bfloat16, not of {values.dtype}.", nameof(values));
        return On(() => Added(values));
    }

    /// <summary>On GPUs by NCCL, where it is installed; the first sum joins them.</summary>
    private bool Added(Tensor values)
    {
        if (values.device_type == DeviceType.CUDA && ncclLibrary.Value != 0)
        {
            nccl ??= Nccl.Join(ncclLibrary.Value, values.device, Rank, Size, FromFirstHere);
            nccl.AddUp(values);
            return true;
        }
        return InMemory(values, memory => Sum(memory, values.dtype == ScalarType.BFloat16));
    }

    public override void FromFirst(Tensor values) => On(() => InMemory(values, FromFirstInPlace)).GetAwaiter().GetResult();

    public override byte[] FromFirst(byte[] own) => On(() => FromFirstHere(own)).GetAwaiter().GetResult();

    private byte[] FromFirstHere(byte[] own)
    {
        var length = new byte[sizeof(int)];
        if (IsFirst) BitConverter.TryWriteBytes(length, own.Length);
        FromFirstInPlace(length);
        var told = IsFirst ? own : new byte[BitConverter.ToInt32(length)];
        FromFirstInPlace(told);
        return told;
    }

    public override IReadOnlyList<byte[]> Gather(byte[] own) => On(() => mpi.Gather(own)).GetAwaiter().GetResult();

    public override string Name(int rank) => $"rank {rank} on {hosts[rank]}";

    public override void Fail() => watch.Fail();

    protected override void Dispose(bool disposing)
    {
        watch.Leave();
        On(() =>
        {
            nccl?.Dispose();
            mpi.End();
            return true;
        }).GetAwaiter().GetResult();
        asked.CompleteAdding();
        thread.Join();
        watch.Dispose();
        asked.Dispose();
        base.Dispose(disposing);
    }

    private void Serve()
    {
        foreach (var call in asked.GetConsumingEnumerable()) call();
    }

    private Task<T> On<T>(Func<T> call)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        asked.Add(() =>
        {
            try { done.SetResult(call()); }
            catch (Exception e) { done.SetException(e); }
        });
        return done.Task;
    }

    /// <summary>Does something in a tensor's memory; a GPU's goes by the CPU's.</summary>
    private static bool InMemory(Tensor values, SpanAction work)
    {
        if (values.device_type == DeviceType.CPU)
        {
            work(values.bytes);
            return true;
        }
        using var scope = NewDisposeScope();
        var here = values.cpu();
        work(here.bytes);
        values.copy_(here);
        return true;
    }

    private unsafe void Sum(Span<byte> memory, bool areBfloat16)
    {
        var size = areBfloat16 ? sizeof(ushort) : sizeof(float);
        fixed (byte* first = memory)
        {
            for (long at = 0; at < memory.Length; at += PieceBytes)
                mpi.Sum(first + at, (int)(Math.Min(PieceBytes, memory.Length - at) / size), areBfloat16);
        }
    }

    private unsafe void FromFirstInPlace(Span<byte> memory)
    {
        fixed (byte* first = memory) mpi.FromFirst(first, memory.Length);
    }

    /// <summary>What tells a host from another of the same name: its start, and its network.</summary>
    private static string BootAndNetwork()
    {
        const string Boot = "/proc/sys/kernel/random/boot_id", Network = "/proc/self/ns/net";
        return (File.Exists(Boot) ? File.ReadAllText(Boot).Trim() : "") + (File.Exists(Network) ? new FileInfo(Network).LinkTarget : "");
    }

    private delegate void SpanAction(Span<byte> memory);
}
