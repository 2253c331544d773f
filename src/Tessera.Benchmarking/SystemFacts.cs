using System.Reflection;
using System.Runtime.InteropServices;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Benchmarking;

/// <summary>Asks the system what it is.</summary>
internal static class SystemFacts
{
    public static SystemReport Of(Device device) => new(
        Processor(), Environment.ProcessorCount, get_num_threads(), CudaDriver.Name(device) ?? device.ToString(),
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
}
