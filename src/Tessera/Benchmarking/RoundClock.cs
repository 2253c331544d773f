using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Benchmarking;

/// <summary>Times work on a device. The device is waited for at the ends of a round alone, unless the caller asks for more.</summary>
internal sealed class RoundClock(Device device, CancellationToken cancellation)
{
    private const int MostCalls = 100_000;

    public CancellationToken Cancellation => cancellation;

    /// <summary>Waits until the device has done all that was asked of it.</summary>
    public void Wait()
    {
        if (device.type == DeviceType.CUDA) cuda.synchronize();
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
