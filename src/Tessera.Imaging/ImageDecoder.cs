using System.Buffers;
using SkiaSharp;

namespace Tessera.Imaging;

/// <summary>
/// Decodes one picture and brings it to a shape: the shortest side is resized to cover, the rest is cropped from the centre.
/// </summary>
/// <remarks>
/// JPEG, PNG, WebP, BMP and GIF (of an animation the first frame), told by content. EXIF orientation is applied. Transparent
/// pixels are composited over white. One channel is ITU-R BT.601 luma, as in Pillow. Colour profiles are not applied, again
/// as in Pillow and torchvision, so that pixels agree with theirs. Resizing is Pillow's antialiased bicubic filter; a JPEG more
/// than twice as large as needed is first reduced while it is decoded, never below twice the size that is needed.
/// What a picture claims to be is held against its file before memory is taken: at most 134 million pixels, and above 8 million at most as many as a file of
/// that length can hold (512 a byte of a JPEG, 8,256 of another). Pictures that are decoded at once share a quarter of the process's memory, and wait for it.
/// All members may be called from many threads at once.
/// </remarks>
public static class ImageDecoder
{
    /// <summary>
    /// Counts up whenever the same picture would come out as other pixels, or other pictures would be left out as broken, so that packed files are made anew.
    /// </summary>
    internal const int Revision = 2;

    private const int CountedUnreadAsBroken = 1; // left pictures out that could not be read, whatever was in them

    private const long MostPixels = 1 << 27;

    private const long PixelsOnTrust = 1 << 23; // 32 MB: a plain WebP of any size has some hundred bytes

    private const long MostPixelsOfAByte = 8 * 1032; // a flat PNG of one bit a pixel: deflate makes 1,032 bytes of one at most

    private const long MostPixelsOfAJpegByte = 8 * 64; // at least one bit for each block of 8 × 8

    /// <summary>Whether pictures that a revision decoded are those that this one would.</summary>
    internal static bool Agrees(int revision, bool leftSomeOut) => revision == Revision || (revision == CountedUnreadAsBroken && !leftSomeOut);

    /// <summary>Decodes a file.</summary>
    /// <param name="file">A path.</param>
    /// <param name="shape">The shape wanted.</param>
    /// <param name="planar">Receives (C, H, W) bytes; at least <see cref="ImageShape.Pixels"/> long.</param>
    /// <exception cref="BrokenImageException">The file is not a picture, is damaged or cut short.</exception>
    /// <exception cref="ImageAccessException">The file is not there, or cannot be read.</exception>
    public static void Decode(string file, ImageShape shape, Span<byte> planar)
    {
        using var encoded = PictureFiles.OfSystem.Read(file, file);
        Decode(encoded.Bytes, file, shape, planar);
    }

    /// <summary>Decodes a picture that is in memory already.</summary>
    /// <param name="encoded">The whole file.</param>
    /// <param name="name">What to call the picture if it is broken.</param>
    /// <param name="shape">The shape wanted.</param>
    /// <param name="planar">Receives (C, H, W) bytes; at least <see cref="ImageShape.Pixels"/> long.</param>
    /// <exception cref="BrokenImageException">The bytes are not a picture, are damaged or cut short.</exception>
    public static unsafe void Decode(ReadOnlySpan<byte> encoded, string name, ImageShape shape, Span<byte> planar)
    {
        if (planar.Length < shape.Pixels)
            throw new ArgumentException(
                $"A picture of {shape} takes {shape.Pixels} bytes; there is room for {planar.Length}.", nameof(planar));
        fixed (byte* start = encoded)
        {
            using var codec = OpenCodec((nint)start, encoded.Length, name);
            Decode(codec, name, shape, planar[..shape.Pixels]);
        }
    }

    /// <summary>Says what a picture is, and decodes it whole to be sure that it is sound.</summary>
    /// <param name="file">A path.</param>
    /// <exception cref="BrokenImageException">The file is not a picture, is damaged or cut short.</exception>
    /// <exception cref="ImageAccessException">The file is not there, or cannot be read.</exception>
    public static ImageFacts Examine(string file)
    {
        using var encoded = PictureFiles.OfSystem.Read(file, file);
        return Examine(encoded.Bytes, file);
    }

    /// <summary>The same of a picture that is in memory already.</summary>
    internal static unsafe ImageFacts Examine(ReadOnlySpan<byte> encoded, string name)
    {
        fixed (byte* start = encoded)
        {
            using var codec = OpenCodec((nint)start, encoded.Length, name);
            var info = codec.Info;
            // A JPEG is decoded at an eighth of its size here: that reads every coefficient, so damage still shows.
            var needed = new ImageShape(3, 1, 1);
            Decode(codec, name, needed, stackalloc byte[needed.Pixels]);
            var channels = info.ColorType == SKColorType.Gray8 ? 1 : info.IsOpaque ? 3 : 4;
            var (width, height) = IsTransposed(codec.EncodedOrigin) ? (info.Height, info.Width) : (info.Width, info.Height);
            return new ImageFacts(width, height, channels, codec.EncodedFormat.ToString().ToUpperInvariant());
        }
    }

    private static void Decode(SKCodec codec, string name, ImageShape shape, Span<byte> planar)
    {
        var origin = codec.EncodedOrigin;
        // The filter and the crop are symmetric, so the small result is turned instead of the large picture.
        var upright = IsTransposed(origin) ? new ImageShape(shape.Channels, shape.Width, shape.Height) : shape;
        var info = DecodedInfo(codec, upright);
        using var pixels = DecodingMemory.OfProcess.Take(info.BytesSize, BytesBeside(codec));
        var decoded = pixels.Bytes;
        GetPixels(codec, info, decoded, name);
        if (info.AlphaType != SKAlphaType.Opaque)
            PixelLayout.CompositeOverWhite(decoded);
        if (origin == SKEncodedOrigin.TopLeft)
            Resampling.CoverAndCrop(decoded, info.Width, info.Height, upright, planar);
        else
            ResampleAndTurn(decoded, info, upright, origin, planar);
    }

    /// <summary>Refuses a size that is too large, or that a file of this length cannot hold, before memory is taken on its word.</summary>
    private static void RequireClaimedSize(SKCodec codec, int length, string name)
    {
        var (width, height) = (codec.Info.Width, codec.Info.Height);
        var claimed = (long)width * height;
        if (claimed > MostPixels)
            throw new BrokenImageException(name, $"has {width}×{height} pixels, more than the {MostPixels / 1_000_000} million that are read");
        var held = length * (codec.EncodedFormat == SKEncodedImageFormat.Jpeg ? MostPixelsOfAJpegByte : MostPixelsOfAByte);
        if (claimed > Math.Max(PixelsOnTrust, held))
            throw new BrokenImageException(name, $"claims {width}×{height} pixels, which its {length} bytes cannot hold");
    }

    /// <summary>Bytes that a codec takes, at most, beside the pixels that it gives: a progressive JPEG's coefficients, an interlaced PNG's rows, a WebP's picture.</summary>
    private static long BytesBeside(SKCodec codec) =>
        (long)codec.Info.Width * codec.Info.Height * (codec.EncodedFormat == SKEncodedImageFormat.Jpeg ? 3 * sizeof(short) : 4);

    private static void ResampleAndTurn(ReadOnlySpan<byte> decoded, SKImageInfo info, ImageShape upright, SKEncodedOrigin origin, Span<byte> planar)
    {
        var stored = ArrayPool<byte>.Shared.Rent(upright.Pixels);
        try
        {
            Resampling.CoverAndCrop(decoded, info.Width, info.Height, upright, stored.AsSpan(0, upright.Pixels));
            PixelLayout.Turn(stored, upright, origin, planar);
        }
        finally { ArrayPool<byte>.Shared.Return(stored); }
    }

    private static unsafe void GetPixels(SKCodec codec, SKImageInfo info, Span<byte> pixels, string name)
    {
        fixed (byte* destination = pixels)
        {
            var result = codec.GetPixels(info, (nint)destination);
            if (result == SKCodecResult.Success)
                return;
            throw new BrokenImageException(name, result switch
            {
                SKCodecResult.IncompleteInput => "is cut short: part of the picture is missing",
                SKCodecResult.ErrorInInput or SKCodecResult.InvalidInput => "is damaged: it begins like a picture and cannot be decoded",
                _ => $"cannot be decoded ({result})",
            });
        }
    }

    private static SKImageInfo DecodedInfo(SKCodec codec, ImageShape upright)
    {
        var info = codec.Info;
        var size = info.Size;
        if (codec.EncodedFormat == SKEncodedImageFormat.Jpeg)
        {
            // Cover: the side that is resized less decides. Each halving must leave at least twice what is needed.
            var surplus = Math.Min((double)size.Width / upright.Width, (double)size.Height / upright.Height);
            var halvings = surplus >= 16 ? 3 : surplus >= 8 ? 2 : surplus >= 4 ? 1 : 0;
            if (halvings > 0)
                size = codec.GetScaledDimensions(1f / (1 << halvings));
        }
        return new SKImageInfo(size.Width, size.Height, SKColorType.Rgba8888, info.IsOpaque ? SKAlphaType.Opaque : SKAlphaType.Premul);
    }

    private static SKCodec OpenCodec(nint start, int length, string name)
    {
        if (length == 0)
            throw new BrokenImageException(name, "is empty");
        using var data = SKData.Create(start, length); // no copy; the codec holds a reference of its own
        var codec = SKCodec.Create(data)
            ?? throw new BrokenImageException(name, "is not a picture that can be read (JPEG, PNG, WebP, BMP or GIF)");
        try
        {
            RequireClaimedSize(codec, length, name);
            return codec;
        }
        catch
        {
            codec.Dispose();
            throw;
        }
    }

    private static bool IsTransposed(SKEncodedOrigin origin) => origin >= SKEncodedOrigin.LeftTop;
}
