namespace Tessera.Imaging.Tests.Fixtures;

/// <summary>Packing that ends when the test run is cancelled.</summary>
internal static class Packed
{
    public static PackedImages Pack(ImageSource source, ImageShape shape, string file, IProgress<PackProgress>? progress = null) =>
        PackedImages.Pack(source, shape, file, progress, TestContext.Current.CancellationToken);

    public static PackedImages OpenOrPack(string source, ImageShape shape, string cacheFolder) =>
        PackedImages.OpenOrPack(source, shape, cacheFolder, cancellation: TestContext.Current.CancellationToken);
}

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
