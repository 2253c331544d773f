using System.Runtime.InteropServices;

namespace Tessera.Weights;

/// <summary>A tensor to be written: what it is, and how its bytes are had when their turn comes.</summary>
/// <remarks>
/// The bytes are asked for one tensor at a time, so that a caller may fetch each from another device just then and let it go after.
/// </remarks>
/// <param name="Name">Its key; unique in a file, and not <c>__metadata__</c>.</param>
/// <param name="Type">Type of its elements.</param>
/// <param name="Shape">Its sides; empty for a scalar.</param>
/// <param name="WriteContent">
/// Writes the bytes, little-endian and row-major: exactly the product of <paramref name="Shape"/> times the element's bytes.
/// </param>
public sealed record SafetensorsTensor(string Name, SafetensorsType Type, long[] Shape, Action<Stream> WriteContent)
{
    /// <summary>A tensor whose bytes are in managed memory.</summary>
    /// <param name="name">Its key.</param>
    /// <param name="type">Type of its elements.</param>
    /// <param name="shape">Its sides; empty for a scalar.</param>
    /// <param name="content">The bytes as they shall lie in the file; read when the file is written, not before.</param>
    public static SafetensorsTensor FromMemory(string name, SafetensorsType type, long[] shape, ReadOnlyMemory<byte> content) =>
        new(name, type, shape, stream => stream.Write(content.Span));

    /// <summary>A 32-bit floating point tensor whose elements are in managed memory.</summary>
    /// <param name="name">Its key.</param>
    /// <param name="shape">Its sides; empty for a scalar.</param>
    /// <param name="content">The elements, row-major; read when the file is written, not before.</param>
    public static SafetensorsTensor FromMemory(string name, long[] shape, ReadOnlyMemory<float> content) =>
        new(name, SafetensorsType.F32, shape, stream => stream.Write(MemoryMarshal.AsBytes(content.Span)));

    /// <summary>A tensor whose bytes are in native memory; they go to the file without a managed copy.</summary>
    /// <param name="name">Its key.</param>
    /// <param name="type">Type of its elements.</param>
    /// <param name="shape">Its sides; empty for a scalar.</param>
    /// <param name="address">Address of the first byte; the caller keeps the memory alive until the file is written.</param>
    /// <param name="length">Bytes there.</param>
    public static SafetensorsTensor FromNative(string name, SafetensorsType type, long[] shape, nint address, long length) =>
        new(name, type, shape, stream => WriteNative(stream, address, length));

    private static unsafe void WriteNative(Stream stream, nint address, long length)
    {
        const int LargestPart = 1 << 30; // a span cannot be longer than 2^31 - 1
        for (long done = 0; done < length; done += LargestPart)
            stream.Write(new ReadOnlySpan<byte>((byte*)address + done, (int)Math.Min(LargestPart, length - done)));
    }
}
