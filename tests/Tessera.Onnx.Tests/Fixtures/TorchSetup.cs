using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Tessera.Runtime;

namespace Tessera.Onnx.Tests.Fixtures;

internal static class TorchSetup
{
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "It must run before any use of TorchSharp.")]
    internal static void Load()
    {
        LibTorch.Load();
        TorchSharp.torch.set_num_threads(1); // the test classes run side by side already
    }
}
