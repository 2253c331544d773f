using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Ranks;

/// <summary>The ranks that train one model together, as one of them sees them: what it can tell and ask the others.</summary>
/// <remarks>
/// Every rank calls the same methods in the same order: each waits for all. A process that no launcher started is alone (<see cref="Alone"/>), and then all
/// of this costs nothing. What MPI is for, see <see cref="Mpi"/>; what happens when a rank fails, <see cref="RankWatch"/>.
/// </remarks>
public abstract class Communicator : IDisposable
{
    /// <summary>The one rank of a process that no launcher started.</summary>
    public static Communicator Alone => new OneRank(); // it holds what a run has come to, so each run has its own

    /// <summary>This rank, from 0.</summary>
    public abstract int Rank { get; }

    /// <summary>How many there are.</summary>
    public abstract int Size { get; }

    /// <summary>This rank among those on its host, from 0: the GPU that it takes.</summary>
    public abstract int LocalRank { get; }

    /// <summary>How many are on its host.</summary>
    public abstract int LocalSize { get; }

    /// <summary>Who they are, in a line for people.</summary>
    public abstract string Description { get; }

    /// <summary>Whether this is rank 0, which alone writes.</summary>
    public bool IsFirst => Rank == 0;

    /// <summary>Whether there is no other.</summary>
    public bool IsAlone => Size == 1;

    /// <summary>Whether what was thrown last is thrown on all ranks, so that none waits for another.</summary>
    public bool EndsTogether { get; internal set; }

    /// <summary>Steps made, which is told should this rank be lost.</summary>
    public virtual long StepsMade { get; set; }

    /// <summary>Joins the ranks that a launcher (mpirun, mpiexec, srun) started; without one, the process is alone, and nothing of MPI is loaded.</summary>
    /// <param name="lost">Called, on a thread of its own, when a rank was lost or has failed: this process cannot go on, and must end.</param>
    /// <exception cref="RanksException">MPI is missing, or not of the launcher's kind, or the ranks cannot meet.</exception>
    public static Communicator FromLauncher(Action<RankLoss> lost)
    {
        if (Launch.Find(Environment.GetEnvironmentVariable) is not { } launch) return Alone;
        var ranks = MpiCommunicator.Join(launch, lost);
        WorkerThreads.ShareCores(ranks.LocalSize);
        ranks.RequireSame("its version of Tessera", EnvironmentReport.Version);
        return ranks;
    }

    /// <summary>Adds tensors of all ranks up, each rank's in place.</summary>
    /// <param name="values">Contiguous, of the same shape on all ranks; float32, or bfloat16, whose sums are rounded once a rank.</param>
    /// <returns>Ended when the sums are there; further sums may be begun before, and are made in their order.</returns>
    /// <exception cref="RanksException">It failed; thrown where the result is waited for.</exception>
    public abstract Task StartSum(Tensor values);

    /// <summary>Gives the first rank's values to all.</summary>
    /// <param name="values">Contiguous, of the same shape and type on all ranks.</param>
    public abstract void FromFirst(Tensor values);

    /// <summary>Gives the first rank's bytes to all.</summary>
    /// <param name="own">Of the first rank; what others bring is not looked at.</param>
    public abstract byte[] FromFirst(byte[] own);

    /// <summary>Puts the bytes of all ranks together, by rank; they may be of different lengths.</summary>
    public abstract IReadOnlyList<byte[]> Gather(byte[] own);

    /// <summary>A rank as people find it: its number and host.</summary>
    public abstract string Name(int rank);

    /// <summary>Tells the others that this rank cannot go on, so that they end without a word of their own; it tells why, and must end then.</summary>
    public abstract void Fail();

    /// <summary>Adds numbers of all ranks up, as many on each, in the order of the ranks.</summary>
    public double[] Sum(double[] values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (IsAlone) return values;
        var sums = new double[values.Length];
        foreach (var own in Gather(MemoryMarshal.AsBytes(values.AsSpan()).ToArray()))
        {
            var terms = MemoryMarshal.Cast<byte, double>(own);
            for (var i = 0; i < sums.Length; i++) sums[i] += terms[i];
        }
        return sums;
    }

    /// <summary>What the first rank makes; the others wait for it, and get a copy.</summary>
    /// <param name="make">Called on the first rank alone.</param>
    /// <exception cref="OtherRankException">It failed there.</exception>
    public T FromFirst<T>(Func<T> make)
    {
        ArgumentNullException.ThrowIfNull(make);
        if (IsAlone) return make();
        var (made, fault) = (default(T)!, (Exception?)null);
        if (IsFirst)
        {
            try { made = make(); }
            catch (Exception e) { fault = e; }
        }
        var told = FromFirst(IsFirst ? JsonSerializer.SerializeToUtf8Bytes(new Told<T>(fault?.Message, made), TesseraJson.Options) : []);
        EndsTogether = fault is not null;
        if (fault is not null) ExceptionDispatchInfo.Throw(fault);
        if (IsFirst) return made;
        var heard = JsonSerializer.Deserialize<Told<T>>(told, TesseraJson.Options)!;
        EndsTogether = heard.Fault is not null;
        return heard.Fault is null ? heard.Value : throw new OtherRankException(heard.Fault);
    }

    /// <summary>Does something on every rank, and fails on all where it fails on one.</summary>
    /// <param name="work">Talks to no other rank.</param>
    /// <exception cref="OtherRankException">It failed on a rank below, which tells why.</exception>
    public T Together<T>(Func<T> work)
    {
        ArgumentNullException.ThrowIfNull(work);
        if (IsAlone) return work();
        var (made, fault) = (default(T)!, (Exception?)null);
        try { made = work(); }
        catch (Exception e) { fault = e; }
        var faults = Gather(fault is null ? [] : Encoding.UTF8.GetBytes(fault.Message.Length > 0 ? fault.Message : fault.GetType().Name));
        var first = faults.TakeWhile(f => f.Length == 0).Count();
        if (first == Size) return made;
        (made as IDisposable)?.Dispose();
        EndsTogether = true;
        if (first == Rank) ExceptionDispatchInfo.Throw(fault!);
        throw new OtherRankException($"{Name(first)}: {Encoding.UTF8.GetString(faults[first])}");
    }

    /// <summary>Makes sure that all ranks have the same of something.</summary>
    /// <param name="what">What it is, for the sentence: <c>its options</c>.</param>
    /// <param name="own">This rank's, as text.</param>
    /// <param name="difference">Says how this rank's text differs from the first's; null says both.</param>
    /// <exception cref="RanksException">A rank has another; on ranks other than the first an <see cref="OtherRankException"/> of the same words.</exception>
    public void RequireSame(string what, string own, Func<string, string, string>? difference = null)
    {
        if (IsAlone) return;
        var first = Encoding.UTF8.GetString(FromFirst(Encoding.UTF8.GetBytes(own)));
        var fault = first == own ? "" : (difference ?? ((there, here) => $"{here}, not {there}"))(first, own);
        var faults = Gather(Encoding.UTF8.GetBytes(fault));
        var other = faults.TakeWhile(f => f.Length == 0).Count();
        if (other == Size) return;
        EndsTogether = true;
        var message = $"{Name(other)} differs from {Name(0)} in {what}: {Encoding.UTF8.GetString(faults[other])}. All ranks must be started alike.";
        throw IsFirst ? new RanksException(message) : new OtherRankException(message);
    }

    /// <summary>Leaves the others.</summary>
    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Leaves the others.</summary>
    /// <param name="disposing">Always true.</param>
    protected virtual void Dispose(bool disposing) { }

    private sealed record Told<T>(string? Fault, T Value);

    private sealed class OneRank : Communicator
    {
        public override int Rank => 0;

        public override int Size => 1;

        public override int LocalRank => 0;

        public override int LocalSize => 1;

        public override string Description => "one process";

        public override Task StartSum(Tensor values) => Task.CompletedTask;

        public override void FromFirst(Tensor values) { }

        public override byte[] FromFirst(byte[] own) => own;

        public override IReadOnlyList<byte[]> Gather(byte[] own) => [own];

        public override string Name(int rank) => "rank 0";

        public override void Fail() { }
    }
}

/// <summary>A rank that is no more there.</summary>
/// <param name="Message">Which, on which host, at which step, and what to do; null where another rank tells it.</param>
public sealed record RankLoss(string? Message);
