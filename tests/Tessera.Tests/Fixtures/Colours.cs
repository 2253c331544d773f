using Tessera.Imaging;

namespace Tessera.Tests.Fixtures;

/// <summary>Red, green and blue pictures with a little noise, 400 to train on and 40 to test with; every fourth is grey and has no label.</summary>
internal sealed class Colours() : ImageSource("colours", "colours", ["red", "green", "blue"], ["red", "green", "blue"],
    [.. Enumerable.Range(0, TestStart + 40).Select(i => new ImageEntry($"{i}", i % 4 - 1, i >= TestStart))], "colours")
{
    /// <summary>The first test picture.</summary>
    public const int TestStart = 400;

    /// <summary>Called on the reading thread.</summary>
    public Action<int>? BeforeReading { get; set; }

    public override void Read(int index, ImageShape shape, Span<byte> planar)
    {
        BeforeReading?.Invoke(index);
        var random = new CounterRandom(1, RandomPurpose.Shape, 0, (uint)index);
        var area = shape.Height * shape.Width;
        for (var i = 0; i < shape.Pixels; i++) planar[i] = (byte)(random.NextBelow(40) + (i / area == index % 4 - 1 ? 150 : 50));
    }

    public override ImageFacts Examine(int index) => default;
}
