using System.Runtime.ExceptionServices;

namespace Tessera.Imaging;

/// <summary>Work on all cores that fails as it would on one: with the exception of the part that failed, not with a bundle of them.</summary>
internal static class ParallelWork
{
    /// <summary>Calls a body for 0 to a count, on all cores.</summary>
    /// <param name="count">How many times.</param>
    /// <param name="body">What to do with a number.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static void For(int count, Action<int> body, CancellationToken cancellation) =>
        For(count, () => 0, (i, _) => body(i), _ => { }, cancellation);

    /// <summary>The same with something that each thread has for itself.</summary>
    /// <param name="count">How many times.</param>
    /// <param name="begin">Makes what a thread has.</param>
    /// <param name="body">What to do with a number.</param>
    /// <param name="end">Takes what a thread has when it is done.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static void For<T>(int count, Func<T> begin, Action<int, T> body, Action<T> end, CancellationToken cancellation)
    {
        try
        {
            Parallel.For(0, count, new ParallelOptions { CancellationToken = cancellation }, begin, (i, _, own) =>
            {
                body(i, own);
                return own;
            }, end);
        }
        catch (AggregateException failures)
        {
            ExceptionDispatchInfo.Throw(failures.InnerExceptions[0]);
        }
    }
}
