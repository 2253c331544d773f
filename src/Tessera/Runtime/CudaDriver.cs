using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Tessera.Runtime;

/// <summary>What NVIDIA's driver knows of a GPU and TorchSharp has no call for. Its library is on every machine that has such a device.</summary>
internal static class CudaDriver
{
    private const int NameLength = 256;
    private static readonly Lazy<nint> Library = new(() =>
        NativeLibrary.TryLoad(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1", out var library) ? library : 0);

    /// <summary>The device's memory in bytes; 0 where there is no such device.</summary>
    public static unsafe long TotalMemory(Device device)
    {
        nuint bytes = 0;
        var total = (delegate* unmanaged<nuint*, int, int>)Function("cuDeviceTotalMem_v2", device);
        return total != null && total(&bytes, Number(device)) == 0 ? (long)bytes : 0;
    }

    /// <summary>The device's name, such as NVIDIA H100; null where there is no such device.</summary>
    public static unsafe string? Name(Device device)
    {
        var name = stackalloc byte[NameLength];
        var getName = (delegate* unmanaged<byte*, int, int, int>)Function("cuDeviceGetName", device);
        return getName != null && getName(name, NameLength, Number(device)) == 0 ? Marshal.PtrToStringUTF8((nint)name) : null;
    }

    /// <summary>Makes a GPU the one that libraries of CUDA work on when this thread calls them; nothing where there is none.</summary>
    public static unsafe void MakeCurrent(Device device)
    {
        var retain = (delegate* unmanaged<nint*, int, int>)Function("cuDevicePrimaryCtxRetain", device);
        var set = (delegate* unmanaged<nint, int>)Function("cuCtxSetCurrent", device);
        nint context = 0;
        if (retain != null && set != null && retain(&context, Number(device)) == 0) _ = set(context); // the context that libtorch uses; it is never let go
    }

    private static int Number(Device device) => Math.Max(0, device.index);

    private static nint Function(string name, Device device) =>
        device.type == TorchSharp.DeviceType.CUDA && Library.Value != 0 && NativeLibrary.TryGetExport(Library.Value, name, out var address) ? address : 0;
}
