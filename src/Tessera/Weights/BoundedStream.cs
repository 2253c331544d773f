namespace Tessera.Weights;

/// <summary>Passes a tensor's bytes on to the file, counts them, and lets none through beyond the tensor's own.</summary>
internal sealed class BoundedStream(Stream inner, long limit) : Stream
{
    /// <summary>Bytes that were handed in, those beyond the limit included.</summary>
    public long Asked { get; private set; }

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => Asked;
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Asked += buffer.Length;
        if (Asked <= limit) inner.Write(buffer);
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void WriteByte(byte value) => Write([value]);

    public override void Flush() { } // the writer flushes once, at the end

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
