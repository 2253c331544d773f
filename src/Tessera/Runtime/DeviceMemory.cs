using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Runtime;

/// <summary>Tells when a device's memory was not enough, which libtorch says in words alone.</summary>
internal static class DeviceMemory
{
    // Of c10/cuda/CUDACachingAllocator.cpp, CUDA's and cuBLAS's own errors, and c10/core/impl/alloc_cpu.cpp (Linux, Windows).
    private static readonly string[] Words =
    [
        "CUDA out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED",
        "DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory", "std::bad_alloc",
    ];

    /// <summary>Does work; that there is no memory for it becomes an error that says what it was for and what takes less.</summary>
    /// <param name="device">Where it is done.</param>
    /// <param name="work">The work.</param>
    /// <param name="what">What it is, with its sizes; asked for when it has failed.</param>
    /// <exception cref="DeviceMemoryException">The memory was not enough.</exception>
    public static T For<T>(Device device, Func<T> work, Func<MemoryNeed> what)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (IsExhausted(e))
        {
            throw Of(device, CudaDriver.Installed.TotalMemory(device), what(), e);
        }
    }

    /// <inheritdoc cref="For{T}"/>
    public static void For(Device device, Action work, Func<MemoryNeed> what) => For(device, () =>
    {
        work();
        return true;
    }, what);

    /// <summary>Whether an error says that there was no memory.</summary>
    public static bool IsExhausted(Exception error) =>
        error is OutOfMemoryException || (error is ExternalException && Words.Any(w => error.Message.Contains(w, StringComparison.Ordinal)));

    /// <param name="device">Where.</param>
    /// <param name="total">Its memory in bytes; 0: that is not known.</param>
    /// <param name="need">For what.</param>
    /// <param name="inner">What libtorch said.</param>
    internal static DeviceMemoryException Of(Device device, long total, MemoryNeed need, Exception inner)
    {
        var whose = device.type == DeviceType.CPU ? "this machine" : total > 0 ? FormattableString.Invariant($"{device} ({total / (double)(1L << 30):f0} GiB)") : device.ToString();
        return new DeviceMemoryException($"The memory of {whose} is not enough for {need.What}: {need.Advice}.", inner, need.Options);
    }
}

/// <summary>What needs memory.</summary>
/// <param name="What">In words, with its sizes.</param>
/// <param name="Advice">What takes less.</param>
/// <param name="Options">The paths of the options that the advice names.</param>
internal sealed record MemoryNeed(string What, string Advice, params IReadOnlyList<string> Options);

/// <summary>A device's memory is not enough. The message says for what, and what takes less.</summary>
/// <param name="message">For what, and what takes less.</param>
/// <param name="inner">What libtorch said.</param>
/// <param name="options">The paths of the options that it names.</param>
public sealed class DeviceMemoryException(string message, Exception? inner, IReadOnlyList<string> options) : Exception(message, inner), INamesOptions
{
    /// <inheritdoc/>
    public IReadOnlyList<string> Options => options;
}
