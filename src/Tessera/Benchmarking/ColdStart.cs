using System.Diagnostics;

namespace Tessera.Benchmarking;

/// <summary>The first thing a benchmark of a step does: what a user waits for, and the memory that training alone takes.</summary>
internal static class ColdStart
{
    private const int StepsForMemory = 3; // the second step is the first with the optimiser's means and the heap as they stay

    /// <summary>Seconds since this process began.</summary>
    public static double Age()
    {
        using var process = Process.GetCurrentProcess();
        return (DateTime.Now - process.StartTime).TotalSeconds;
    }

    /// <summary>Makes the first steps.</summary>
    /// <returns>The process's age when the first one had ended, its loss, and the memory of those after it.</returns>
    /// <exception cref="InvalidOperationException">The loss is not finite, so whatever was measured would mean nothing.</exception>
    public static (double Age, double Loss, MemoryReport Memory) Run(StepUnderTest training, RoundClock clock)
    {
        var (age, first, most, mapped) = (0.0, double.NaN, (long?)null, (long?)null);
        using var batches = training.Load(StepsForMemory + 1).GetEnumerator();
        for (var i = 0; i <= StepsForMemory; i++)
        {
            clock.Cancellation.ThrowIfCancellationRequested();
            using (var loss = training.Step(batches))
            {
                var value = loss.item<float>(); // waits
                if (!float.IsFinite(value)) throw new InvalidOperationException($"The loss of step {i + 1} is {value}: nothing can be measured.");
                if (i == 0) (age, first) = (Age(), value);
            }
            var now = ProcessMemory.Now();
            if (most is null || now.Anonymous > most) (most, mapped) = (now.Anonymous, now.Mapped);
        }
        return (age, first, new MemoryReport(ProcessMemory.Now().Peak, most, mapped));
    }
}
