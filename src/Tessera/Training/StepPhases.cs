using System.Diagnostics;

namespace Tessera.Training;

/// <summary>Measures where the time of training steps goes.</summary>
/// <param name="workers">How many parts of a batch are computed at once.</param>
/// <param name="wait">Waits until the device has done what was asked of it, at each phase's end.</param>
internal sealed class StepPhases(int workers, Action wait)
{
    private readonly double[,] seconds = new double[Enum.GetValues<StepPhase>().Length, workers];

    /// <summary>The mean of the workers' seconds so far.</summary>
    public double this[StepPhase phase] => Enumerable.Range(0, workers).Average(w => seconds[(int)phase, w]);

    /// <summary>The seconds of all phases so far.</summary>
    public double All => Enum.GetValues<StepPhase>().Sum(phase => this[phase]);

    /// <summary>Does a worker's work, and adds its time.</summary>
    public T Time<T>(StepPhase phase, int worker, Func<T> work)
    {
        var start = Stopwatch.GetTimestamp();
        var result = work();
        wait();
        seconds[(int)phase, worker] += Stopwatch.GetElapsedTime(start).TotalSeconds;
        return result;
    }

    /// <summary>Does work for which all workers wait, and adds its time to each one's.</summary>
    public T TimeForAll<T>(StepPhase phase, Func<T> work)
    {
        var before = seconds[(int)phase, 0];
        var result = Time(phase, 0, work);
        for (var worker = 1; worker < workers; worker++) seconds[(int)phase, worker] += seconds[(int)phase, 0] - before;
        return result;
    }
}

/// <summary>What a worker does with a part of a batch, in order.</summary>
internal enum StepPhase
{
    /// <summary>Bringing pictures to the device, crops, flips, colours, standardising.</summary>
    Augment,

    /// <summary>From patches to the loss, or to the embeddings that are coupled.</summary>
    Forward,

    /// <summary>From the embeddings of a whole batch to the loss of coupled pictures, and back to the embeddings' gradients.</summary>
    Couple,

    /// <summary>From the loss to gradients, and adding these up.</summary>
    Backward,
}
