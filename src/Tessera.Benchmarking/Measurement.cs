using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Benchmarking;

/// <summary>What several rounds of one measurement gave, in the unit of whatever was measured.</summary>
/// <param name="Median">The middle round; of an even number of rounds the mean of the middle two.</param>
/// <param name="Lowest">The lowest round.</param>
/// <param name="Highest">The highest round.</param>
/// <param name="Rounds">How many rounds there were, at least 1.</param>
public sealed record Measurement(double Median, double Lowest, double Highest, int Rounds)
{
    /// <summary>Sums rounds up.</summary>
    /// <exception cref="ArgumentException">There is no round.</exception>
    public static Measurement Of(IEnumerable<double> rounds)
    {
        double[] sorted = [.. rounds.Order()];
        if (sorted.Length == 0) throw new ArgumentException("A measurement needs at least one round.", nameof(rounds));
        var median = (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
        return new Measurement(median, sorted[0], sorted[^1], sorted.Length);
    }

    /// <summary>A figure that was taken once, such as the time to the first step.</summary>
    public static Measurement Once(double value) => new(value, value, value, 1);

    /// <summary>The same in another unit.</summary>
    internal Measurement Times(double factor) => new(Median * factor, Lowest * factor, Highest * factor, Rounds);
}

/// <summary>Times work on a device. The device is waited for at the ends of a round alone, unless the caller asks for more.</summary>
/// <param name="device">The device.</param>
/// <param name="cancellation">Ends a round.</param>
/// <param name="synchronize">Waits for a GPU; null: by libtorch.</param>
internal sealed class RoundClock(Device device, CancellationToken cancellation, Action<Device>? synchronize = null)
{
    private const int MostCalls = 100_000;

    public CancellationToken Cancellation => cancellation;

    /// <summary>Waits until the device has done all that was asked of it.</summary>
    public void Wait()
    {
        if (device.type == DeviceType.CUDA) (synchronize ?? cuda.synchronize)(device);
    }

    /// <summary>How many calls of the work last about so many seconds, at least one. Warms it up on the way.</summary>
    public int CallsIn(double seconds, Action work)
    {
        Seconds(1, work); // the first call loads, compiles and allocates
        for (var calls = 1; ; calls *= 2)
        {
            var taken = Seconds(calls, work);
            if (taken >= seconds / 4 || calls >= MostCalls) return (int)Math.Clamp(Math.Round(calls * seconds / taken), 1, MostCalls);
        }
    }

    /// <summary>The seconds that so many calls take.</summary>
    public double Seconds(int calls, Action work)
    {
        cancellation.ThrowIfCancellationRequested();
        Wait();
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < calls; i++)
        {
            work();
            cancellation.ThrowIfCancellationRequested();
        }
        Wait();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}
