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
