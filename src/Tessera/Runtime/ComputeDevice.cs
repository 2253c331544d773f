using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Runtime;

/// <summary>Finds the device that a name such as auto, cpu, cuda or cuda:1 means.</summary>
public static class ComputeDevice
{
    /// <summary>Resolves a device's name.</summary>
    /// <param name="name">auto (a GPU where there is one), cpu, cuda or cuda:N</param>
    /// <exception cref="ComputeDeviceException">There is no such device; the message says what to do.</exception>
    public static Device Resolve(string name)
    {
        LibTorch.Load();
        var number = 0;
        var named = name == "cuda" || (name.StartsWith("cuda:", StringComparison.Ordinal)
            && int.TryParse(name.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out number));
        if (name == "cpu" || (name == "auto" && !cuda_is_available())) return CPU;
        if (!named && name != "auto")
            throw new ComputeDeviceException($"There is no device '{name}': choose auto, cpu, cuda or cuda:N.");
        if (!cuda_is_available())
            throw new ComputeDeviceException($"The device '{name}' needs an NVIDIA GPU and libtorch for CUDA, and none was found: set {LibTorch.FolderVariable} to the torch/lib folder of a PyTorch installation with CUDA, or choose the device cpu.");
        var count = cuda.device_count();
        return number < count ? new Device(DeviceType.CUDA, number)
            : throw new ComputeDeviceException($"There is no device '{name}': this machine has {count}, counted from cuda:0.");
    }
}

/// <summary>A device that does not exist here. The message says what to do.</summary>
public sealed class ComputeDeviceException(string message) : Exception(message);
