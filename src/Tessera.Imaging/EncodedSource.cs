using System.Buffers;

namespace Tessera.Imaging;

/// <summary>Pictures that lie somewhere as encoded bytes: files of their own, or members of larger ones. One method gives these, and the rest follows.</summary>
/// <inheritdoc cref="ImageSource(string, string, IReadOnlyList{string}, IReadOnlyList{string}, IReadOnlyList{ImageEntry}, string)"/>
internal abstract class EncodedSource(
    string kind, string location, IReadOnlyList<string> classNames, IReadOnlyList<string> classTitles, IReadOnlyList<ImageEntry> entries, string fingerprint)
    : ImageSource(kind, location, classNames, classTitles, entries, fingerprint)
{
    public sealed override void Read(int index, ImageShape shape, Span<byte> planar)
    {
        using var encoded = ReadEncoded(index);
        ImageDecoder.Decode(encoded.Bytes, Entries[index].Name, shape, planar);
    }

    public sealed override ImageFacts Examine(int index)
    {
        using var encoded = ReadEncoded(index);
        return ImageDecoder.Examine(encoded.Bytes, Entries[index].Name);
    }

    internal sealed override EncodedPicture? Encoded(int index) => ReadEncoded(index);

    /// <summary>One picture's bytes, from many threads at once.</summary>
    /// <exception cref="BrokenImageException">There are none that could be a picture's.</exception>
    /// <exception cref="ImageAccessException">They could not be had.</exception>
    protected abstract EncodedPicture ReadEncoded(int index);
}

/// <summary>A picture as it was encoded.</summary>
/// <param name="memory">Holds it.</param>
/// <param name="length">Bytes, from the memory's beginning.</param>
/// <param name="isRented">Whether the memory is the shared pool's, and goes back there when this is disposed.</param>
internal sealed class EncodedPicture(byte[] memory, int length, bool isRented = true) : IDisposable
{
    private bool isGone;

    public ReadOnlySpan<byte> Bytes => memory.AsSpan(0, length);

    public void Dispose()
    {
        if (isRented && !isGone) ArrayPool<byte>.Shared.Return(memory);
        isGone = true;
    }
}
