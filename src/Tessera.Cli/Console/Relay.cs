namespace Tessera.Cli.Console;

/// <summary>Passes reports on at once and on the same thread; <see cref="Progress{T}"/> would do so later and elsewhere.</summary>
internal sealed class Relay<T>(Action<T> action) : IProgress<T>
{
    public void Report(T value) => action(value);
}
