using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Tessera.Runtime;

/// <summary>Where a tensor's values lie, on a GPU too, which TorchSharp tells of a CPU's alone.</summary>
internal static class TensorMemory
{
    /// <summary>The address of a tensor's first value, in the memory of its device.</summary>
    public static nint AddressOf(Tensor tensor) => THSTensor_data(tensor.Handle);

    [DllImport("LibTorchSharp")]
    private static extern nint THSTensor_data(nint tensor);
}
