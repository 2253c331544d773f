using System.Runtime.ExceptionServices;
using static TorchSharp.torch;

namespace Tessera.Runtime;

/// <summary>Threads that live as long as this, each of which computes with one core, or with a few of its own.</summary>
/// <remarks>
/// Two cores that work on two halves of a batch wait for each other once a step; two that share every operation wait at each, and stand idle
/// between them. The threads are kept, and no pool's, since the C library keeps freed memory by thread.
/// </remarks>
internal sealed class WorkerThreads : IDisposable
{
    private const int MemoryShare = 4;

    private readonly Barrier gate;
    private readonly Thread[] threads;
    private readonly Exception?[] faults;
    private readonly int threadsEach;
    private Action<int>? work;

    /// <param name="count">How many; with 1 there is no thread, and work is done on the caller's.</param>
    /// <param name="threadsEach">Cores that an operation of each takes, where there are several; libtorch keeps a number for each thread that calls it.</param>
    public WorkerThreads(int count, int threadsEach = 1)
    {
        (Count, this.threadsEach) = (count, threadsEach);
        faults = new Exception?[count];
        gate = new Barrier(count + 1);
        threads = count == 1 ? [] : [.. Enumerable.Range(0, count).Select(Start)];
    }

    public int Count { get; }

    /// <summary>How many parts of a batch are computed at once on a device, unless something else is asked for.</summary>
    /// <remarks>No more than the process may use: libtorch counts a machine's cores, and does not know a container's share of them.</remarks>
    public static int DefaultOn(Device device) => device.type == TorchSharp.DeviceType.CPU ? Math.Min(get_num_threads(), Environment.ProcessorCount) : 1;

    /// <summary>Leaves this process its part of the cores, where several that work together are on this machine and the system has not given each its own.</summary>
    public static void ShareCores(int processes)
    {
        if (processes > 1 && !IsBound()) set_num_threads(Math.Max(1, DefaultOn(CPU) / processes));
    }

    /// <summary>Workers and the threads of each, where every worker holds a model's gradients: fewer workers of several threads for a large model.</summary>
    /// <param name="cores">Cores that there are to share.</param>
    /// <param name="gradientBytes">What one worker's gradients take; 0: that is not known, and bounds nothing.</param>
    /// <param name="memory">The memory that there is, of which all workers' gradients take at most a quarter where that leaves one worker.</param>
    public static (int Count, int ThreadsEach) Fitting(int cores, long gradientBytes, long memory)
    {
        if (gradientBytes == 0) return (cores, 1);
        var most = Math.Max(1, memory / MemoryShare / gradientBytes);
        var threads = (int)((cores + most - 1) / most);
        return (cores / threads, threads);
    }

    // A launcher that binds its processes to cores leaves each fewer than the machine has.
    private static bool IsBound()
    {
        const string Online = "/sys/devices/system/cpu/online", Own = "/proc/self/status";
        if (!File.Exists(Online) || !File.Exists(Own)) return false;
        var allowed = File.ReadLines(Own).FirstOrDefault(l => l.StartsWith("Cpus_allowed_list:", StringComparison.Ordinal))?.Split(':')[1].Trim();
        return allowed is not null && allowed != File.ReadAllText(Online).Trim();
    }

    /// <summary>Does work on all threads at once, each called with its number from 0, and returns when all have ended.</summary>
    /// <exception cref="Exception">What the first of them threw, when all have ended.</exception>
    public void Run(Action<int> job)
    {
        if (Count == 1)
        {
            job(0);
            return;
        }
        var cores = get_num_threads();
        set_num_threads(threadsEach); // of an operation; it holds for every thread but those that have said otherwise
        work = job;
        gate.SignalAndWait();
        gate.SignalAndWait();
        set_num_threads(cores);
        if (faults.FirstOrDefault(f => f is not null) is { } fault) ExceptionDispatchInfo.Throw(fault);
    }

    public void Dispose()
    {
        work = null;
        if (threads.Length > 0) gate.SignalAndWait();
        foreach (var thread in threads) thread.Join();
        gate.Dispose();
    }

    private Thread Start(int number)
    {
        var thread = new Thread(() => Serve(number)) { IsBackground = true, Name = $"training {number}" };
        thread.Start();
        return thread;
    }

    private void Serve(int number)
    {
        while (true)
        {
            gate.SignalAndWait();
            if (work is not { } job) return;
            try
            {
                faults[number] = null;
                job(number);
            }
            catch (Exception fault)
            {
                faults[number] = fault;
            }
            gate.SignalAndWait();
        }
    }
}
