namespace Tessera.Runtime;

/// <summary>Passes reports on at once; <see cref="Progress{T}"/> would pass them on later, from another thread.</summary>
internal sealed class Relay<T>(Action<T> action) : IProgress<T>
{
    public void Report(T value) => action(value);
}
