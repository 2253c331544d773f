using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Tessera.Runtime;

/// <summary>What NVIDIA's driver knows of a GPU and TorchSharp has no call for. Its library is on every machine that has such a device.</summary>
/// <param name="find">The address of one of the library's functions; 0 where there is none.</param>
internal sealed class CudaDriver(Func<string, nint> find)
{
    private const int NameLength = 256;
    private const int MajorCapability = 75, MinorCapability = 76; // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_… of cuda.h
    private static readonly Lazy<CudaDriver> OfMachine = new(() =>
        NativeLibrary.TryLoad(OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1", out var library)
            ? new(name => NativeLibrary.TryGetExport(library, name, out var address) ? address : 0) : new(_ => 0));

    /// <summary>The machine's driver; one that knows no GPU where there is none.</summary>
    public static CudaDriver Installed => OfMachine.Value;

    /// <summary>The device's memory in bytes; 0 where there is no such device.</summary>
    public unsafe long TotalMemory(Device device)
    {
        nuint bytes = 0;
        var total = (delegate* unmanaged<nuint*, int, int>)Function("cuDeviceTotalMem_v2", device);
        return total != null && total(&bytes, Number(device)) == 0 ? (long)bytes : 0;
    }

    /// <summary>The device's name, such as NVIDIA H100; null where there is no such device.</summary>
    public unsafe string? Name(Device device)
    {
        var name = stackalloc byte[NameLength];
        var getName = (delegate* unmanaged<byte*, int, int, int>)Function("cuDeviceGetName", device);
        return getName != null && getName(name, NameLength, Number(device)) == 0 ? Marshal.PtrToStringUTF8((nint)name) : null;
    }

    /// <summary>What the device can do, by its compute capability, such as 9.0; null where there is no such device.</summary>
    public Version? ComputeCapability(Device device) =>
        Attribute(device, MajorCapability) is { } major && Attribute(device, MinorCapability) is { } minor ? new Version(major, minor) : null;

    /// <summary>Makes a GPU the one that libraries of CUDA work on when this thread calls them; nothing where there is none.</summary>
    public unsafe void MakeCurrent(Device device)
    {
        var retain = (delegate* unmanaged<nint*, int, int>)Function("cuDevicePrimaryCtxRetain", device);
        var set = (delegate* unmanaged<nint, int>)Function("cuCtxSetCurrent", device);
        nint context = 0;
        if (retain != null && set != null && retain(&context, Number(device)) == 0) _ = set(context); // the context that libtorch uses; it is never let go
    }

    private unsafe int? Attribute(Device device, int attribute)
    {
        var value = 0;
        var get = (delegate* unmanaged<int*, int, int, int>)Function("cuDeviceGetAttribute", device);
        return get != null && get(&value, attribute, Number(device)) == 0 ? value : null;
    }

    private static int Number(Device device) => Math.Max(0, device.index);

    // The driver answers nothing before it was started; to start it again does nothing.
    private unsafe nint Function(string name, Device device)
    {
        if (device.type != TorchSharp.DeviceType.CUDA) return 0;
        var start = (delegate* unmanaged<uint, int>)find("cuInit");
        return start != null && start(0) == 0 ? find(name) : 0;
    }
}
