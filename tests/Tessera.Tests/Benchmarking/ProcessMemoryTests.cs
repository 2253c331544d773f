using Tessera.Benchmarking;

namespace Tessera.Tests.Benchmarking;

public sealed class ProcessMemoryTests
{
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
