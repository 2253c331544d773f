using Tessera.Imaging;

namespace Tessera.Tests.Fixtures;

/// <summary>Patterns that differ from picture to picture, some of them broken, with a look at who reads what.</summary>
internal sealed class WatchedPictures(int training, int test, Func<int, bool>? isBroken = null) : ImageSource(
    "watched", "watched", [], [], [.. Enumerable.Range(0, training + test).Select(i => new ImageEntry($"{i}", -1, i >= training))], "watched")
{
    private int reading, read;

    /// <summary>Reads under way.</summary>
    public int Reading => reading;

    /// <summary>Reads begun.</summary>
    public int Reads => read;

    /// <summary>Called on the reading thread.</summary>
    public Action<int>? BeforeReading { get; set; }

    public StreamedImages Stream() => StreamedImages.Open(
        this, new ImageShape(3, 32, 32), PackedShapes.Options.Seed, cancellation: TestContext.Current.CancellationToken);

    public override void Read(int index, ImageShape shape, Span<byte> planar)
    {
        Interlocked.Increment(ref read);
        Interlocked.Increment(ref reading);
        try
        {
            BeforeReading?.Invoke(index);
            if (isBroken?.Invoke(index) is true) throw new BrokenImageException($"{index}", "is torn");
            for (var i = 0; i < shape.Pixels; i++) planar[i] = (byte)(index * 31 + i * (1 + index % 7));
        }
        finally
        {
            Interlocked.Decrement(ref reading);
        }
    }

    public override ImageFacts Examine(int index) => default;
}
