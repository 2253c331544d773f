using Tessera.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Tests.Runtime;

public sealed class DeviceConstantsTests
{
    [Fact]
    public void Are_Made_Once_On_Each_Device_And_Outlive_The_Scope_Of_Their_First_Use()
    {
        using var constants = new DeviceConstants();
        var made = 0;
        Tensor Of(Device device, int size) => constants.Of(device, ("ones", size), () =>
        {
            made++;
            return ones(size, device: device);
        });

        using (NewDisposeScope()) Of(CPU, 2);
        Of(CPU, 2).Floats().ShouldBe([1f, 1]);
        (made, constants.Count).ShouldBe((1, 1));
        Of(CPU, 3).shape.ShouldBe([3L]);
        Of(new Device(DeviceType.META), 3).device_type.ShouldBe(DeviceType.META);
        (made, constants.Count).ShouldBe((3, 3));
    }

    [Fact]
    public void Are_Freed_With_What_Keeps_Them()
    {
        var constants = new DeviceConstants();
        var kept = constants.Of(CPU, "one", () => ones(1));
        constants.Dispose();
        kept.IsInvalid.ShouldBeTrue();
    }
}
