namespace Tessera.Imaging.Tests.Fixtures;

/// <summary>Remembers every report, at once and in order.</summary>
internal sealed class Recorder<T>(Action<T>? then = null) : IProgress<T>
{
    public List<T> Reports { get; } = [];

    public void Report(T value)
    {
        Reports.Add(value);
        then?.Invoke(value);
    }
}
