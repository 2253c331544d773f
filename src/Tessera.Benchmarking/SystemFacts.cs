using System.Reflection;
using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Benchmarking;

/// <summary>Asks the system what it is.</summary>
internal static class SystemFacts
{
    private const int NameLength = 256;

    public static SystemReport Of(Device device) => new(
        Processor(), Environment.ProcessorCount, get_num_threads(), device.type == DeviceType.CUDA ? Gpu(device) : "cpu",
        RuntimeInformation.OSDescription, RuntimeInformation.FrameworkDescription,
        typeof(SystemFacts).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "");

    private static string Processor()
    {
        const string file = "/proc/cpuinfo";
        var line = OperatingSystem.IsLinux() && File.Exists(file)
            ? File.ReadLines(file).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?[(line.IndexOf(':') + 1)..].Trim()
            ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") // Windows
            ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    // TorchSharp has no call for a GPU's name; the driver's library, which is on every machine that has one, does.
    private static unsafe string Gpu(Device device)
    {
        var library = OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";
        if (!NativeLibrary.TryLoad(library, out var driver) || !NativeLibrary.TryGetExport(driver, "cuDeviceGetName", out var address))
            return device.ToString();
        var name = stackalloc byte[NameLength];
        var getName = (delegate* unmanaged<byte*, int, int, int>)address;
        return getName(name, NameLength, Math.Max(0, device.index)) == 0 ? Marshal.PtrToStringUTF8((nint)name)! : device.ToString();
    }
}
