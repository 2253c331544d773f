using Tessera.Runtime;
using TorchSharp;

namespace Tessera.Tests.Runtime;

public sealed class ComputeDeviceTests
{
    [Fact]
    public void Finds_The_Cpu() => ComputeDevice.Resolve("cpu").type.ShouldBe(DeviceType.CPU);

    [Fact]
    public void Takes_The_Cpu_Where_The_Driver_Knows_No_Gpu()
    {
        Assert.SkipWhen(CudaDriver.Installed.TotalMemory(new torch.Device(DeviceType.CUDA, 0)) > 0, "There is a GPU here.");
        ComputeDevice.Resolve("auto").type.ShouldBe(DeviceType.CPU);
    }

    [Fact]
    public void Takes_The_Gpu_That_LibTorch_Can_Use()
    {
        Assert.SkipUnless(torch.cuda_is_available(), "There is no GPU that this libtorch can use.");
        ComputeDevice.Resolve("auto").ToString().ShouldBe("cuda:0");
        ComputeDevice.Resolve("cuda").ToString().ShouldBe("cuda:0");
        CudaDriver.Installed.Name(ComputeDevice.Resolve("auto")).ShouldNotBeNullOrEmpty();
    }

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
            $"The device '{name}' needs an NVIDIA GPU and libtorch for CUDA, and none was found: set TESSERA_LIBTORCH to the torch/lib folder of a PyTorch installation with CUDA, or choose the device cpu.");
    }
}
