namespace Tessera.Imaging;

/// <summary>The shape every picture of a packed file has: channels, height and width, one byte a value, planar (C, H, W).</summary>
public readonly record struct ImageShape
{
    /// <summary>The longest side a packed picture may have.</summary>
    public const int LongestSide = 4096;

    /// <param name="channels">1 (luma, ITU-R BT.601) or 3 (red, green, blue).</param>
    /// <param name="height">1 to <see cref="LongestSide"/> pixels.</param>
    /// <param name="width">1 to <see cref="LongestSide"/> pixels.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value lies outside its range.</exception>
    public ImageShape(int channels, int height, int width)
    {
        if (channels is not (1 or 3))
            throw new ArgumentOutOfRangeException(nameof(channels), $"Pictures have 1 or 3 channels, not {channels}.");
        if (height is < 1 or > LongestSide)
            throw new ArgumentOutOfRangeException(nameof(height), $"A picture's height is 1 to {LongestSide} pixels, not {height}.");
        if (width is < 1 or > LongestSide)
            throw new ArgumentOutOfRangeException(nameof(width), $"A picture's width is 1 to {LongestSide} pixels, not {width}.");
        (Channels, Height, Width) = (channels, height, width);
    }

    /// <summary>1 or 3.</summary>
    public int Channels { get; }

    /// <summary>In pixels.</summary>
    public int Height { get; }

    /// <summary>In pixels.</summary>
    public int Width { get; }

    /// <summary>C · H · W: the bytes one picture takes.</summary>
    public int Pixels => Channels * Height * Width;

    /// <summary>For people: <c>3×64×64</c>.</summary>
    public override string ToString() => $"{Channels}×{Height}×{Width}";

    /// <summary>The three sizes, in the order of the constructor.</summary>
    public void Deconstruct(out int channels, out int height, out int width) =>
        (channels, height, width) = (Channels, Height, Width);

    internal static bool IsValid(long channels, long height, long width) =>
        channels is 1 or 3 && height is >= 1 and <= LongestSide && width is >= 1 and <= LongestSide;
}
