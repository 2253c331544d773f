using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using TorchSharp;
using static TorchSharp.torch;
using Torch = Tessera.Runtime.LibTorch;

namespace Tessera.Runtime;

/// <summary>What Tessera finds on a machine.</summary>
/// <param name="Tessera">Its version.</param>
/// <param name="Runtime">.NET's.</param>
/// <param name="System">The operating system and the kind of processor.</param>
/// <param name="Processor">The processor's name.</param>
/// <param name="Cores">Cores that the process may use, a container's quota taken into account.</param>
/// <param name="Instructions">Instructions that matter to matrix products.</param>
/// <param name="MemoryBytes">Memory that the process may use, a container's limit taken into account.</param>
/// <param name="LibTorch">The folder that libtorch was loaded from; null: it does not load.</param>
/// <param name="LibTorchVersion">Its version, also where it does not fit; null: it does not tell.</param>
/// <param name="LibTorchExpected">The version that TorchSharp was built for.</param>
/// <param name="LibTorchLacks">The functions of that version that it lacks, as C++ writes them: what calls one fails, and nothing else.</param>
/// <param name="LibTorchFault">Why it does not load.</param>
/// <param name="LibTorchNamed">What the variable says that names its folder; null: nothing.</param>
/// <param name="Devices">Devices and the number format that auto finds on each.</param>
/// <param name="CacheFolder">Where packed pictures and vectors are kept.</param>
/// <param name="CacheFiles">How many files are there.</param>
/// <param name="CacheBytes">What they take.</param>
public sealed record EnvironmentReport(
    string Tessera, string Runtime, string System, string Processor, int Cores, IReadOnlyList<string> Instructions, long MemoryBytes,
    string? LibTorch, string? LibTorchVersion, string LibTorchExpected, IReadOnlyList<string> LibTorchLacks, string? LibTorchFault, string? LibTorchNamed,
    IReadOnlyList<DeviceReport> Devices, string CacheFolder, int CacheFiles, long CacheBytes)
{
    /// <summary>The processor's name.</summary>
    public static string ProcessorName
    {
        get
        {
            const string Facts = "/proc/cpuinfo";
            var line = OperatingSystem.IsLinux() && File.Exists(Facts)
                ? File.ReadLines(Facts).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
            return line?[(line.IndexOf(':') + 1)..].Trim()
                ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") // Windows
                ?? RuntimeInformation.ProcessArchitecture.ToString();
        }
    }

    /// <summary>Tessera's version.</summary>
    public static string Version => typeof(EnvironmentReport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "";

    /// <summary>Looks. libtorch is loaded for it; that it does not load is told, not thrown.</summary>
    /// <param name="cacheFolder">Where packed pictures are kept; it need not be there.</param>
    public static EnvironmentReport Find(string cacheFolder)
    {
        var fault = Load();
        var files = Directory.Exists(cacheFolder) ? new DirectoryInfo(cacheFolder).GetFiles() : [];
        return new EnvironmentReport(
            Version, RuntimeInformation.FrameworkDescription, $"{RuntimeInformation.OSDescription} {RuntimeInformation.OSArchitecture}", ProcessorName,
            Environment.ProcessorCount, [.. InstructionSets()], GC.GetGCMemoryInfo().TotalAvailableMemoryBytes,
            fault is null ? Torch.Folder : null, Torch.Version?.ToString(), Torch.ExpectedVersion, Torch.Lacking, fault, Environment.GetEnvironmentVariable(Torch.FolderVariable),
            fault is null ? FindDevices() : [], Path.GetFullPath(cacheFolder), files.Length, files.Sum(f => f.Length));
    }

    private static string? Load()
    {
        try
        {
            Torch.Load();
            return null;
        }
        catch (LibTorchException e)
        {
            return e.Message;
        }
    }

    private static IEnumerable<string> InstructionSets()
    {
        if (Avx2.IsSupported) yield return "AVX2";
        if (Avx512F.IsSupported) yield return "AVX-512";
        if (ComputePrecision.HasBf16Products()) yield return "bf16";
    }

    // Of its own, so that what names TorchSharp's types is only compiled where libtorch has loaded.
    private static List<DeviceReport> FindDevices()
    {
        List<Device> devices = [CPU, .. Enumerable.Range(0, cuda.is_available() ? cuda.device_count() : 0).Select(i => new Device(DeviceType.CUDA, i))];
        return [.. devices.Select(device => new DeviceReport(
            device.type == DeviceType.CPU ? string.Create(CultureInfo.InvariantCulture, $"cpu, {get_num_threads()} threads") : $"{device}, {CudaDriver.Installed.Name(device)}",
            CudaDriver.Installed.TotalMemory(device), ComputePrecision.Resolve(Precision.Auto, device)))];
    }
}

/// <summary>A device.</summary>
/// <param name="Name">What <c>--device</c> calls it, and what it is.</param>
/// <param name="MemoryBytes">Its own memory; 0 for a processor.</param>
/// <param name="Precision">The number format that auto finds best.</param>
public sealed record DeviceReport(string Name, long MemoryBytes, Precision Precision);
