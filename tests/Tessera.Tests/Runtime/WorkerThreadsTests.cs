using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Tests.Runtime;

public sealed class WorkerThreadsTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)]
    public void Does_The_Work_Once_A_Number_And_Returns_When_All_Is_Done(int count)
    {
        using var threads = new WorkerThreads(count);
        var calls = new int[count];
        for (var round = 1; round <= 20; round++)
        {
            threads.Run(number => calls[number]++);
            calls.ShouldAllBe(c => c == round);
        }
    }

    [Fact]
    public void Works_On_Threads_That_Stay()
    {
        using var threads = new WorkerThreads(3);
        var (first, second) = (new int[3], new int[3]);
        threads.Run(number => first[number] = Environment.CurrentManagedThreadId);
        threads.Run(number => second[number] = Environment.CurrentManagedThreadId);
        first.Distinct().Count().ShouldBe(3);
        second.ShouldBe(first);
    }

    [Fact]
    public void Works_At_Once()
    {
        using var threads = new WorkerThreads(2);
        using var both = new Barrier(2);
        threads.Run(_ => both.SignalAndWait(TestContext.Current.CancellationToken)); // ends only if each is there
        both.CurrentPhaseNumber.ShouldBe(1);
    }

    [Fact]
    public void Gives_Each_Operation_One_Core_And_Takes_None_From_Its_Caller()
    {
        var before = get_num_threads();
        using var threads = new WorkerThreads(2);
        var inside = new int[2];
        threads.Run(number => inside[number] = get_num_threads());
        inside.ShouldBe([1, 1]);
        get_num_threads().ShouldBe(before);
    }

    [Fact]
    public void Gives_Each_Worker_Threads_Of_Its_Own()
    {
        var before = get_num_threads();
        using var threads = new WorkerThreads(2, threadsEach: 3);
        var inside = new int[2];
        threads.Run(number => inside[number] = get_num_threads());
        inside.ShouldBe([3, 3]);
        get_num_threads().ShouldBe(before);
    }

    /// <remarks>ViT-Base's gradients with a decoder's take 450 MB: on 64 cores with a worker each, 29 GB.</remarks>
    [Theory]
    [InlineData(64, 450_000_000, 256_000_000_000, 64, 1)] // a quarter of the memory holds 142
    [InlineData(64, 450_000_000, 64_000_000_000, 32, 2)] // it holds 35
    [InlineData(64, 450_000_000, 16_000_000_000, 8, 8)] // it holds 8
    [InlineData(12, 450_000_000, 9_000_000_000, 4, 3)] // it holds 5: 4 of 3 threads use every core
    [InlineData(16, 1_200_000_000, 4_000_000_000, 1, 16)] // it does not hold one
    [InlineData(2, 0, 1, 2, 1)]
    public void Of_A_Large_Model_There_Are_Fewer_Workers_With_Several_Threads(int cores, long gradientBytes, long memory, int workers, int threads) =>
        WorkerThreads.Fitting(cores, gradientBytes, memory).ShouldBe((workers, threads));

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Throws_What_A_Thread_Threw_When_All_Have_Ended_And_Works_On(int count)
    {
        using var threads = new WorkerThreads(count);
        var done = new bool[count];
        var fault = Should.Throw<InvalidDataException>(() => threads.Run(number =>
        {
            done[number] = true;
            if (number == count - 1) throw new InvalidDataException("the last");
        }));
        fault.Message.ShouldBe("the last");
        done.ShouldAllBe(d => d);

        threads.Run(number => done[number] = false);
        done.ShouldAllBe(d => !d);
    }
}
