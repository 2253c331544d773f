using System.Runtime.InteropServices;
using Tessera.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Tests.Runtime;

public sealed class DeviceMemoryTests
{
    private static readonly MemoryNeed Need = new("a step on 8 pictures", "use fewer", "Training.BatchSize");

    /// <summary>More than any machine has: libtorch itself says so.</summary>
    [Fact]
    public void Says_What_Memory_Was_Needed_For_And_What_Takes_Less()
    {
        var fault = Should.Throw<DeviceMemoryException>(() => DeviceMemory.For(CPU, () => empty(1L << 60, ScalarType.Byte), () => Need));
        fault.Message.ShouldBe("The memory of this machine is not enough for a step on 8 pictures: use fewer.");
        fault.Options.ShouldBe(["Training.BatchSize"]);
        fault.InnerException.ShouldBeOfType<ExternalException>();
    }

    [Theory]
    [InlineData("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 1.06 GiB is free.")]
    [InlineData("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call")]
    [InlineData("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")]
    [InlineData("[enforce fail at alloc_cpu.cpp:118] data. DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes.")]
    [InlineData("The following operation failed in the TorchScript interpreter.\nRuntimeError: CUDA out of memory.")]
    public void Knows_The_Words_Of_Libtorch(string message) => DeviceMemory.IsExhausted(new Said(message)).ShouldBeTrue();

    [Fact]
    public void Leaves_Other_Errors_As_They_Are()
    {
        DeviceMemory.IsExhausted(new Said("CUDA error: an illegal memory access was encountered")).ShouldBeFalse();
        DeviceMemory.IsExhausted(new IOException("CUDA out of memory")).ShouldBeFalse(); // a file of that name
        Should.Throw<ExternalException>(() => DeviceMemory.For(CPU, () => ones(2).sub(ones(3)), () => Need));
    }

    [Theory]
    [InlineData(0L, "cuda:1")]
    [InlineData(85_000_000_000L, "cuda:1 (79 GiB)")]
    public void Says_How_Much_There_Is_Where_The_Driver_Tells(long total, string device) =>
        DeviceMemory.Of(new Device(DeviceType.CUDA, 1), total, Need, new Said("CUDA out of memory")).Message.ShouldBe($"The memory of {device} is not enough for a step on 8 pictures: use fewer.");

    /// <summary>As TorchSharp passes on what libtorch throws.</summary>
    private sealed class Said(string message) : ExternalException(message);
}
