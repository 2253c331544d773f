using System.Collections.Concurrent;

namespace Tessera.Imaging.Tests.Fixtures;

/// <summary>Pictures of one colour, the remainder of their number, some of them broken or out of reach; remembers which were read.</summary>
internal sealed class NumberedPictures(int training, int test = 0, Func<int, bool>? isBroken = null, Func<int, Exception?>? failure = null) : ImageSource(
    "numbered", "numbers", [], [], [.. Enumerable.Range(0, training + test).Select(index => new ImageEntry($"{index}", -1, index >= training))], "numbers")
{
    private readonly ConcurrentQueue<int> read = new();

    public IReadOnlyList<int> WereRead => [.. read];

    public override void Read(int index, ImageShape shape, Span<byte> planar)
    {
        read.Enqueue(index);
        if (isBroken?.Invoke(index) is true)
            throw new BrokenImageException($"{index}", "is torn");
        if (failure?.Invoke(index) is { } error)
            throw error;
        planar[..shape.Pixels].Fill((byte)index);
    }

    public override ImageFacts Examine(int index) => failure?.Invoke(index) is { } error ? throw error : default;
}
