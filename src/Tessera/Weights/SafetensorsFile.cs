using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Tessera.Weights;

/// <summary>A safetensors file opened for reading: the header is checked whole, the tensors' bytes are read when asked for.</summary>
/// <remarks>
/// Nothing is allocated on a header's word: every length is held against the file's own first. Reading is by position, so that
/// several threads may read at once, and a file that shrinks meanwhile is an error instead of a fault of memory mapping.
/// Bytes are little-endian and row-major, as the format says, and are handed out as they lie in the file.
/// </remarks>
public sealed class SafetensorsFile : IDisposable
{
    private readonly string file;
    private readonly SafeFileHandle handle;
    private readonly SafetensorsHeader header;

    private SafetensorsFile(string file, SafeFileHandle handle, SafetensorsHeader header) =>
        (this.file, this.handle, this.header) = (file, handle, header);

    /// <summary>The free text that the file carries under <c>__metadata__</c>; empty where it carries none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => header.Metadata;

    /// <summary>The tensors by name, in the order in which their bytes lie in the file.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => header.Entries;

    /// <summary>Opens a file and checks its header against its length.</summary>
    /// <exception cref="SafetensorsException">The file is missing, unreadable, cut short, or not a consistent safetensors file.</exception>
    public static SafetensorsFile Open(string file)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        SafeFileHandle? handle = null;
        try
        {
            handle = File.OpenHandle(file, options: FileOptions.RandomAccess);
            var opened = new SafetensorsFile(file, handle, ReadHeader(file, handle));
            handle = null;
            return opened;
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw Wrong(file, "there is no such file", exception);
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or (IOException and not SafetensorsException))
        {
            throw new SafetensorsException($"{file} cannot be read: {exception.Message.TrimEnd('.')}.", exception);
        }
        finally
        {
            handle?.Dispose();
        }
    }

    /// <summary>Copies a tensor's bytes.</summary>
    /// <param name="name">A key of <see cref="Entries"/>.</param>
    /// <param name="destination">Exactly <see cref="SafetensorsEntry.Length"/> bytes.</param>
    /// <exception cref="SafetensorsException">No such tensor, another length, or the file became shorter meanwhile.</exception>
    public void Read(string name, Span<byte> destination)
    {
        var entry = Find(name, destination.Length);
        ReadAt(entry.Offset, destination, entry.Name);
    }

    /// <summary>Copies a tensor's bytes to native memory, of any length.</summary>
    /// <param name="name">A key of <see cref="Entries"/>.</param>
    /// <param name="destination">Address of <paramref name="length"/> writable bytes; the caller keeps them alive and in place.</param>
    /// <param name="length">Exactly <see cref="SafetensorsEntry.Length"/>.</param>
    /// <exception cref="SafetensorsException">No such tensor, another length, or the file became shorter meanwhile.</exception>
    public unsafe void Read(string name, nint destination, long length)
    {
        const int LargestPart = 1 << 30; // a span cannot be longer than 2^31 - 1
        var entry = Find(name, length);
        for (long done = 0; done < length; done += LargestPart)
        {
            var part = (int)Math.Min(LargestPart, length - done);
            ReadAt(entry.Offset + done, new Span<byte>((byte*)destination + done, part), entry.Name);
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => handle.Dispose();

    private static SafetensorsHeader ReadHeader(string file, SafeFileHandle handle)
    {
        var length = RandomAccess.GetLength(handle);
        Span<byte> prefix = stackalloc byte[SafetensorsHeader.PrefixBytes];
        if (length < prefix.Length || !TryReadAt(handle, 0, prefix))
            throw Wrong(file, $"it has {length} bytes, fewer than the 8 that give the header's length");
        var claimed = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (claimed > SafetensorsHeader.LargestHeader)
            throw Wrong(file, $"it claims a header of {claimed} bytes, above the format's limit of {SafetensorsHeader.LargestHeader}");
        var remaining = length - prefix.Length;
        if ((long)claimed > remaining)
            throw Wrong(file, $"it claims a header of {claimed} bytes, but only {remaining} follow: it may be cut short");
        var json = new byte[claimed];
        if (!TryReadAt(handle, prefix.Length, json)) throw Wrong(file, "it became shorter while it was read");
        return SafetensorsHeader.Parse(file, json, remaining - json.Length);
    }

    private static SafetensorsException Wrong(string file, string what, Exception? cause = null) =>
        new($"{file} cannot be read as safetensors: {what}.", cause);

    private SafetensorsEntry Find(string name, long length)
    {
        if (!header.Entries.TryGetValue(name, out var entry))
            throw new SafetensorsException($"{file} has no tensor {Quoted.Of(name)}; it has {header.Entries.Count} others.");
        if (entry.Length != length)
        {
            var what = $"{entry.Type.NameInFiles()} {Quoted.Shape(entry.Shape)}, {entry.Length} bytes";
            throw new SafetensorsException($"{file}: tensor {Quoted.Of(name)} is {what}, but {length} were asked for.");
        }
        return entry;
    }

    private void ReadAt(long offset, Span<byte> destination, string name)
    {
        try
        {
            if (!TryReadAt(handle, offset, destination))
                throw new SafetensorsException($"{file} became shorter since it was opened: tensor {Quoted.Of(name)} is not whole.");
        }
        catch (Exception exception) when (exception is UnauthorizedAccessException or (IOException and not SafetensorsException))
        {
            var cause = exception.Message.TrimEnd('.');
            throw new SafetensorsException($"{file}: tensor {Quoted.Of(name)} cannot be read: {cause}.", exception);
        }
    }

    private static bool TryReadAt(SafeFileHandle handle, long offset, Span<byte> destination)
    {
        while (!destination.IsEmpty)
        {
            var read = RandomAccess.Read(handle, destination, offset);
            if (read == 0) return false;
            destination = destination[read..];
            offset += read;
        }
        return true;
    }
}

/// <summary>A safetensors file that cannot be read or written; the message is one sentence with the file and what is wrong.</summary>
public sealed class SafetensorsException : IOException
{
    /// <summary>An error without words: prefer one that says what is wrong.</summary>
    public SafetensorsException() { }

    /// <param name="message">One sentence: which file, which tensor, what is wrong.</param>
    public SafetensorsException(string message) : base(message) { }

    /// <param name="message">One sentence: which file, which tensor, what is wrong.</param>
    /// <param name="innerException">What the operating system or the JSON reader said.</param>
    public SafetensorsException(string message, Exception? innerException) : base(message, innerException) { }
}

/// <summary>A tensor as a safetensors file's header tells it, checked against the file.</summary>
/// <param name="Name">Its key, for a model the PyTorch state-dict name (<c>blocks.0.attn.qkv.weight</c>).</param>
/// <param name="Type">Type of its elements.</param>
/// <param name="Shape">Its sides, row-major; empty for a scalar. Their product times the element's bytes is Length.</param>
/// <param name="Offset">Where its bytes begin, counted from the start of the file.</param>
/// <param name="Length">How many bytes it takes.</param>
public sealed record SafetensorsEntry(string Name, SafetensorsType Type, long[] Shape, long Offset, long Length);
