using System.Runtime.InteropServices;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Benchmarking;

/// <summary>Asks the system what it is.</summary>
internal static class SystemFacts
{
    public static SystemReport Of(Device device) => new(
        EnvironmentReport.ProcessorName, Environment.ProcessorCount, get_num_threads(), CudaDriver.Installed.Name(device) ?? device.ToString(),
        RuntimeInformation.OSDescription, RuntimeInformation.FrameworkDescription,
        EnvironmentReport.Version);
}
