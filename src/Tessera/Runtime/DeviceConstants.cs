using System.Collections.Concurrent;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Runtime;

/// <summary>Small tensors that are the same in every step: each is made once on a device, and kept there.</summary>
/// <remarks>
/// Numbers of the CPU's memory reach a GPU by a transfer that the caller waits for, and with it for all that the GPU was asked to do before. A few of
/// them a step would keep it from ever having work ahead.
/// </remarks>
internal sealed class DeviceConstants : IDisposable
{
    private readonly ConcurrentDictionary<(DeviceType Type, int Index, object Key), Lazy<Tensor>> kept = new();

    /// <summary>How many were made.</summary>
    public int Count => kept.Count;

    /// <summary>A constant; may be called from several threads. It stays this object's.</summary>
    /// <param name="device">Where.</param>
    /// <param name="key">What it is: equal keys are one constant.</param>
    /// <param name="make">Makes it there, at the first call.</param>
    public Tensor Of(Device device, object key, Func<Tensor> make) =>
        kept.GetOrAdd((device.type, device.index, key), _ => new Lazy<Tensor>(() => make().DetachFromDisposeScope())).Value;

    /// <summary>Frees them.</summary>
    public void Dispose()
    {
        foreach (var constant in kept.Values.Where(c => c.IsValueCreated)) constant.Value.Dispose();
        kept.Clear();
    }
}
