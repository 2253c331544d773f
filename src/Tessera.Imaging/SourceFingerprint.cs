using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;

namespace Tessera.Imaging;

/// <summary>Collects what a source's <see cref="ImageSource.Fingerprint"/> is a hash of: XxHash128.</summary>
internal sealed class SourceFingerprint
{
    private readonly XxHash128 hash = new();

    public void Append(string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        Append(bytes.Length); // its length first, so that "ab" + "c" differs from "a" + "bc"
        hash.Append(bytes);
    }

    public void Append(params ReadOnlySpan<long> numbers)
    {
        Span<byte> bytes = stackalloc byte[8];
        foreach (var number in numbers)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes, number);
            hash.Append(bytes);
        }
    }

    /// <summary>As they lie in memory, which is little-endian on every machine that .NET runs on.</summary>
    public void AppendAll<T>(ReadOnlySpan<T> values) where T : unmanaged => hash.Append(MemoryMarshal.AsBytes(values));

    /// <summary>32 hexadecimal digits.</summary>
    public override string ToString() => Convert.ToHexStringLower(hash.GetCurrentHash());
}
