namespace Tessera.Imaging.Tests;

public class DecodingMemoryTests
{
    [Fact]
    public void Gives_What_Fits_At_Once_And_Counts_It()
    {
        var memory = new DecodingMemory(100);
        using (var first = memory.Take(40, beside: 20))
        using (memory.Take(40, beside: 0))
        {
            first.Bytes.Length.ShouldBe(40);
            memory.Taken.ShouldBe(100);
            first.Dispose();
            first.Dispose(); // once is enough
            memory.Taken.ShouldBe(40);
        }
        memory.Taken.ShouldBe(0);
    }

    [Fact]
    public async Task What_Does_Not_Fit_Waits_And_Nothing_Overtakes_It()
    {
        var memory = new DecodingMemory(100);
        var first = memory.Take(60, beside: 0);
        var large = TakeElsewhere(memory, 60, queued: 1);
        var small = TakeElsewhere(memory, 10, queued: 2); // would fit, and would keep the large one waiting for ever if others went on so
        memory.Taken.ShouldBe(60);

        first.Dispose();

        using (await large)
        using (await small) memory.Taken.ShouldBe(70);
        memory.Taken.ShouldBe(0);
    }

    [Fact]
    public async Task A_Picture_Larger_Than_All_Of_It_Is_Decoded_Alone()
    {
        var memory = new DecodingMemory(100);
        var small = memory.Take(1, beside: 0);
        var large = TakeElsewhere(memory, 1000, queued: 1);
        small.Dispose();
        var next = default(Task<DecodingMemory.Pixels>);
        using (await large)
        {
            memory.Taken.ShouldBe(1000);
            next = TakeElsewhere(memory, 1, queued: 1);
        }
        using (await next) memory.Taken.ShouldBe(1);
    }

    [Fact]
    public void Large_Pictures_Are_Not_Kept_In_A_Pool()
    {
        var memory = new DecodingMemory(long.MaxValue);
        var before = GC.GetAllocatedBytesForCurrentThread();
        using (var pixels = memory.Take(100_000_000, beside: 0)) pixels.Bytes[^1] = 1; // it is there
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(100_000);
    }

    /// <summary>Takes on a thread of its own, and returns when that one waits.</summary>
    private static Task<DecodingMemory.Pixels> TakeElsewhere(DecodingMemory memory, int length, int queued)
    {
        var taking = Task.Factory.StartNew(() => memory.Take(length, beside: 0), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        while (memory.Queued < queued) Thread.Yield();
        return taking;
    }
}
