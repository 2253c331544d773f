using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Benchmarking.Tests;

/// <summary>Of rounds, of a step's phases, and of the process's memory.</summary>
public sealed class MeasurementTests
{
    [Fact]
    public void Takes_The_Middle_Round_And_The_Ends() => Measurement.Of([5, 1, 3]).ShouldBe(new Measurement(3, 1, 5, 3));

    [Fact]
    public void Takes_The_Mean_Of_The_Middle_Two_Of_An_Even_Number() => Measurement.Of([4, 1, 9, 2]).ShouldBe(new Measurement(3, 1, 9, 4));

    [Fact]
    public void Refuses_To_Sum_Up_Nothing() => Should.Throw<ArgumentException>(() => Measurement.Of([]));

    [Fact]
    public void Takes_The_Mean_Of_Steps_Phase_By_Phase() =>
        ((new StepSeconds(1, 2, 3, 9, 4, 5, 25) + new StepSeconds(3, 4, 5, 1, 8, 7, 31)) / 2).ShouldBe(new StepSeconds(2, 3, 4, 5, 6, 6, 28));

    /// <summary>A clock that waited for another GPU would measure how fast work is asked for.</summary>
    [Fact]
    public void Waits_For_The_Device_That_Is_Measured_At_The_Ends_Of_A_Round()
    {
        var happened = new List<string>();
        var clock = new RoundClock(new Device(DeviceType.CUDA, 1), CancellationToken.None, device => happened.Add($"waited for {device}"));
        clock.Seconds(2, () => happened.Add("worked"));
        happened.ShouldBe(["waited for cuda:1", "worked", "worked", "waited for cuda:1"]);
    }

    [Fact]
    public void Waits_For_Nothing_On_The_Cpu() =>
        new RoundClock(CPU, CancellationToken.None, device => throw new InvalidOperationException($"waited for {device}")).Seconds(1, () => { }).ShouldBeGreaterThanOrEqualTo(0);

    [Fact]
    public void Reads_What_The_Kernel_Writes()
    {
        string[] status = ["Name:\ttessera", "VmPeak:\t 9000000 kB", "VmHWM:\t  204800 kB", "RssAnon:\t  102400 kB", "RssFile:\t   51200 kB", "Threads:\t7"];
        ProcessMemory.Parse(status).ShouldBe(new ProcessMemory(200 << 20, 100 << 20, 50 << 20));
    }

    [Fact]
    public void Leaves_Out_What_An_Older_Kernel_Does_Not_Tell() =>
        ProcessMemory.Parse(["VmHWM:\t4 kB"]).ShouldBe(new ProcessMemory(4096, null, null));

    [Fact]
    public void Refuses_A_Status_Without_A_Peak() =>
        Should.Throw<InvalidDataException>(() => ProcessMemory.Parse(["Name:\ttessera"])).Message.ShouldContain("VmHWM");

    [Fact]
    public void Knows_That_This_Process_Takes_Memory() => ProcessMemory.Now().Peak.ShouldBeGreaterThan(10 << 20);
}
