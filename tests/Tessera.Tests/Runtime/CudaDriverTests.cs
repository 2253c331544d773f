using System.Runtime.InteropServices;
using Tessera.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Tests.Runtime;

/// <summary>Against a driver of the tests' own, which knows one GPU, number 1, and answers once it was started.</summary>
public sealed unsafe class CudaDriverTests
{
    private const int Done = 0, NotInitialized = 3, InvalidDevice = 101; // CUresult of cuda.h

    [ThreadStatic]
    private static bool isStarted;

    private static readonly Device Gpu = new(DeviceType.CUDA, 1);

    public CudaDriverTests() => isStarted = false;

    [Fact]
    public void Asks_The_Driver_As_Its_Header_Says()
    {
        var driver = new CudaDriver(Find);
        driver.ComputeCapability(Gpu).ShouldBe(new Version(7, 5));
        driver.TotalMemory(Gpu).ShouldBe(16L << 30);
        driver.Name(Gpu).ShouldBe("Tesla T4");
    }

    [Fact]
    public void Knows_Nothing_Of_A_Gpu_That_Is_Not_There_And_Of_The_Cpu()
    {
        var driver = new CudaDriver(Find);
        foreach (var device in new[] { new Device(DeviceType.CUDA, 0), CPU })
            (driver.ComputeCapability(device), driver.TotalMemory(device), driver.Name(device)).ShouldBe((null, 0L, null));
    }

    [Fact]
    public void Knows_Nothing_Without_A_Driver_Or_One_That_Does_Not_Start()
    {
        foreach (var driver in new[] { new CudaDriver(_ => 0), new CudaDriver(name => name == "cuInit" ? 0 : Find(name)) })
        {
            (driver.ComputeCapability(Gpu), driver.TotalMemory(Gpu), driver.Name(Gpu)).ShouldBe((null, 0L, null));
            driver.MakeCurrent(Gpu); // nothing
        }
    }

    private static nint Find(string name) => name switch
    {
        "cuInit" => (nint)(delegate* unmanaged<uint, int>)&Init,
        "cuDeviceGetAttribute" => (nint)(delegate* unmanaged<int*, int, int, int>)&GetAttribute,
        "cuDeviceTotalMem_v2" => (nint)(delegate* unmanaged<nuint*, int, int>)&TotalMemory,
        "cuDeviceGetName" => (nint)(delegate* unmanaged<byte*, int, int, int>)&GetName,
        _ => 0,
    };

    [UnmanagedCallersOnly]
    private static int Init(uint flags)
    {
        isStarted = flags == 0;
        return isStarted ? Done : 1;
    }

    [UnmanagedCallersOnly]
    private static int GetAttribute(int* value, int attribute, int device)
    {
        if (Answer(device) is not Done and var refusal) return refusal;
        *value = attribute switch { 75 => 7, 76 => 5, _ => -1 }; // the numbers that cuda.h gives them
        return Done;
    }

    [UnmanagedCallersOnly]
    private static int TotalMemory(nuint* bytes, int device)
    {
        if (Answer(device) is not Done and var refusal) return refusal;
        *bytes = unchecked((nuint)(16L << 30));
        return Done;
    }

    [UnmanagedCallersOnly]
    private static int GetName(byte* name, int length, int device)
    {
        if (Answer(device) is not Done and var refusal) return refusal;
        "Tesla T4\0"u8.CopyTo(new Span<byte>(name, length));
        return Done;
    }

    private static int Answer(int device) => !isStarted ? NotInitialized : device == 1 ? Done : InvalidDevice;
}
