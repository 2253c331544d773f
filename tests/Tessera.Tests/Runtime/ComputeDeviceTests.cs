using Tessera.Runtime;
using TorchSharp;

namespace Tessera.Tests.Runtime;

public sealed class ComputeDeviceTests
{
    [Fact]
    public void Finds_The_Cpu() => ComputeDevice.Resolve("cpu").type.ShouldBe(DeviceType.CPU);

    [Fact]
    public void Takes_A_Gpu_Where_There_Is_One() =>
        ComputeDevice.Resolve("auto").type.ShouldBe(torch.cuda_is_available() ? DeviceType.CUDA : DeviceType.CPU);

    [Theory]
    [InlineData("")]
    [InlineData("gpu")]
    [InlineData("CPU")]
    [InlineData("cuda:")]
    [InlineData("cuda:-1")]
    [InlineData("cuda:one")]
    public void Refuses_A_Name_It_Does_Not_Know(string name) =>
        Should.Throw<ComputeDeviceException>(() => ComputeDevice.Resolve(name)).Message.ShouldBe($"There is no device '{name}': choose auto, cpu, cuda or cuda:N.");

    [Theory]
    [InlineData("cuda")]
    [InlineData("cuda:1")]
    public void Says_What_A_Gpu_Would_Need(string name)
    {
        Assert.SkipWhen(torch.cuda_is_available(), "There is a GPU here.");
        Should.Throw<ComputeDeviceException>(() => ComputeDevice.Resolve(name)).Message.ShouldBe(
            $"--device {name} needs an NVIDIA GPU and libtorch for CUDA, and none was found: set TESSERA_LIBTORCH to the torch/lib folder of a PyTorch installation with CUDA, or use --device cpu.");
    }
}
