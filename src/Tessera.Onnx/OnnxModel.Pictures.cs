using System.Buffers;
using Tessera.Exports;
using Tessera.Imaging;

namespace Tessera.Onnx;

// Pictures on their way into a graph.
internal sealed partial class OnnxModel
{
    private const int LargestBatch = 32; // pictures: more are no faster

    /// <summary>Brings a picture to planar pixels.</summary>
    public delegate void PictureDecoder(int picture, Span<byte> planar);

    /// <summary>A picture as the graph takes it.</summary>
    /// <returns>(H, W, C)</returns>
    /// <exception cref="BrokenImageException">It cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    public byte[] Decode(string picture) => Interleaved(planar => ImageDecoder.Decode(picture, Shape, planar));

    /// <inheritdoc cref="Decode(string)"/>
    /// <param name="encoded">The bytes of a picture's file.</param>
    /// <param name="name">What to call it if it is broken.</param>
    public byte[] Decode(ReadOnlyMemory<byte> encoded, string name) => Interleaved(planar => ImageDecoder.Decode(encoded.Span, name, Shape, planar));

    /// <summary>Planar pixels as the graph takes them, for as long as the work goes on.</summary>
    /// <param name="planar">(N, C, H, W)</param>
    /// <param name="work">Takes (N, H, W, C).</param>
    /// <exception cref="ArgumentException">They are no whole number of pictures.</exception>
    public T Interleave<T>(ReadOnlySpan<byte> planar, Func<Memory<byte>, T> work)
    {
        RequirePictures(planar.Length, nameof(planar));
        var interleaved = ArrayPool<byte>.Shared.Rent(planar.Length);
        try
        {
            for (var first = 0; first < planar.Length; first += Shape.Pixels)
                PixelLayout.Interleave(planar.Slice(first, Shape.Pixels), Shape.Channels, interleaved.AsSpan(first, Shape.Pixels));
            return work(interleaved.AsMemory(0, planar.Length));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(interleaved);
        }
    }

    /// <summary>Decodes pictures on all cores and hands them over, a batch after the other.</summary>
    /// <param name="count">Pictures.</param>
    /// <param name="decode">Decodes one.</param>
    /// <param name="take">Takes a batch: the number of its first picture, and (N, H, W, C).</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <exception cref="BrokenImageException">One cannot be decoded; of several faults the first in order is told, whichever comes first.</exception>
    /// <exception cref="ImageAccessException">A file is not there, or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public void InBatches(int count, PictureDecoder decode, Action<int, Memory<byte>> take, IProgress<int>? progress, CancellationToken cancellation)
    {
        var pixels = new byte[Math.Min(count, LargestBatch) * Shape.Pixels]; // (N, H, W, C)
        for (var first = 0; first < count; first += LargestBatch)
        {
            var (start, size) = (first, Math.Min(LargestBatch, count - first));
            Fill(pixels, size, (picture, planar) => decode(start + picture, planar), cancellation);
            take(start, pixels.AsMemory(0, size * Shape.Pixels));
            progress?.Report(start + size);
        }
    }

    /// <summary>Runs a graph whose only input is pictures.</summary>
    /// <param name="interleaved">(N, H, W, C)</param>
    /// <param name="outputs">By name: what receives it, as long as its shape says.</param>
    /// <param name="cancellation">Ends it between operators.</param>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public void Run(Memory<byte> interleaved, IReadOnlyList<(string Name, Memory<float> Values, long[] Shape)> outputs, CancellationToken cancellation)
    {
        using var input = Value(interleaved, interleaved.Length / Shape.Pixels, Shape.Height, Shape.Width, Shape.Channels);
        Run([(OnnxMetadata.Pixels, input)], outputs, cancellation);
    }

    /// <summary>Refuses what is no whole number of pictures.</summary>
    /// <exception cref="ArgumentException">It is none.</exception>
    public void RequirePictures(int bytes, string parameter)
    {
        if (bytes == 0 || bytes % Shape.Pixels != 0)
            throw new ArgumentException($"{bytes} bytes are no whole number of pictures of {Shape}, which have {Shape.Pixels} each.", parameter);
    }

    /// <summary>The bytes of a stream, to its end.</summary>
    public static ReadOnlyMemory<byte> Read(Stream encoded)
    {
        ArgumentNullException.ThrowIfNull(encoded);
        using var memory = new MemoryStream();
        encoded.CopyTo(memory);
        return memory.GetBuffer().AsMemory(0, (int)memory.Length);
    }

    /// <inheritdoc cref="Read(Stream)"/>
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(Stream encoded, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(encoded);
        using var memory = new MemoryStream();
        await encoded.CopyToAsync(memory, cancellation).ConfigureAwait(false);
        return memory.GetBuffer().AsMemory(0, (int)memory.Length);
    }

    private byte[] Interleaved(Action<byte[]> decode)
    {
        var planar = new byte[Shape.Pixels];
        decode(planar);
        var interleaved = new byte[Shape.Pixels];
        PixelLayout.Interleave(planar, Shape.Channels, interleaved);
        return interleaved;
    }

    private void Fill(byte[] pixels, int count, PictureDecoder decode, CancellationToken cancellation)
    {
        var broken = new ImagingException?[count];
        Parallel.For(0, count, new ParallelOptions { CancellationToken = cancellation }, picture =>
        {
            var planar = ArrayPool<byte>.Shared.Rent(Shape.Pixels);
            try
            {
                decode(picture, planar);
                PixelLayout.Interleave(planar.AsSpan(0, Shape.Pixels), Shape.Channels, pixels.AsSpan(picture * Shape.Pixels, Shape.Pixels));
            }
            catch (ImagingException e)
            {
                broken[picture] = e;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(planar);
            }
        });
        if (broken.FirstOrDefault(b => b is not null) is { } first) throw first;
    }
}
