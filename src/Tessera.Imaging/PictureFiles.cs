using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Tessera.Imaging;

/// <summary>Reads files of pictures. A fault that may pass is met with patience; one that stays ends the work.</summary>
/// <remarks>
/// A disk or a network that fails says nothing of a picture. If it counted as a broken one, a connection that was down for a minute would leave half a
/// data set out, and the rest would look like all of it.
/// </remarks>
/// <param name="open">Opens a file to be read from its beginning; it tells its length.</param>
/// <param name="waits">How long to wait before each further try.</param>
/// <param name="wait">Waits.</param>
internal sealed class PictureFiles(Func<string, Stream> open, IReadOnlyList<TimeSpan> waits, Action<TimeSpan> wait)
{
    /// <summary>Those of the system; four tries within three seconds, which outlast a hiccup and not a cable that was pulled.</summary>
    public static PictureFiles OfSystem { get; } = new(Open, [TimeSpan.FromSeconds(0.1), TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(2)], Thread.Sleep);

    /// <summary>Reads a file whole.</summary>
    /// <param name="file">A path.</param>
    /// <param name="name">What to call the picture if it is broken.</param>
    /// <param name="listed">What it was when the pictures were listed; null: it was not.</param>
    /// <exception cref="BrokenImageException">It is longer than pictures are, or no file at all.</exception>
    /// <exception cref="ImageAccessException">It is not there, may not be read, is another than it was, or every try failed.</exception>
    public EncodedPicture Read(string file, string name, FileStamp? listed = null) => Patiently(file, () =>
    {
        try
        {
            return ReadOnce(file, name, listed);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException && Directory.Exists(file))
        {
            throw listed is null ? new BrokenImageException(name, "is a folder, not a picture", error) : ImageAccessException.Changed(file, error);
        }
    });

    /// <summary>Reads of a file, and again where the system fails.</summary>
    /// <exception cref="ImageAccessException">It is not there, may not be read, or every try failed.</exception>
    public T Patiently<T>(string file, Func<T> read)
    {
        for (var failures = 0; ; failures++)
        {
            try
            {
                return read();
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                if (!MayPass(error) || failures == waits.Count) throw ImageAccessException.Of(file, failures + 1, error);
                wait(waits[failures]);
            }
        }
    }

    private EncodedPicture ReadOnce(string file, string name, FileStamp? listed)
    {
        using var stream = open(file);
        if (!stream.CanSeek)
            throw listed is { Length: > 0 } ? ImageAccessException.Changed(file) : new BrokenImageException(name, "is a pipe or a device, not a file");
        var size = stream.Length;
        if (size > Array.MaxLength) throw new BrokenImageException(name, "is larger than 2 GB");
        var buffer = ArrayPool<byte>.Shared.Rent((int)size);
        try
        {
            stream.ReadExactly(buffer.AsSpan(0, (int)size)); // one that is written to just now is not cut short: it is read again
            // Asked when it was read, so that what was written meanwhile is seen too.
            if (listed is { } then && stream is FileStream read && FileStamp.Of(read.SafeFileHandle) != then) throw ImageAccessException.Changed(file);
            return new EncodedPicture(buffer, (int)size);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }
    }

    /// <summary>What a path or its permissions forbid stays so.</summary>
    private static bool MayPass(Exception error) =>
        error is not (UnauthorizedAccessException or FileNotFoundException or DirectoryNotFoundException or DriveNotFoundException or PathTooLongException);

    private static FileStream Open(string file)
    {
        // To open a pipe waits for somebody who writes into it, for ever where nobody does. It has no length, as few files have.
        if (!OperatingSystem.IsWindows() && new FileInfo(file) is { Exists: true, Length: 0 } && OpenDescriptor(file, OperatingSystem.IsMacOS() ? 4 : 0x800) is var descriptor and >= 0) // O_NONBLOCK
            return new FileStream(new SafeFileHandle(descriptor, ownsHandle: true), FileAccess.Read, bufferSize: 0);
        return new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
    }

    [DllImport("libc", EntryPoint = "open")]
    private static extern int OpenDescriptor([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);
}

/// <summary>What tells a file from another under its name: a source lists pictures once, and reads them for as long as a training lasts.</summary>
/// <param name="Length">In bytes; 0 where it has none.</param>
/// <param name="Modified">UTC ticks of the last change.</param>
internal readonly record struct FileStamp(long Length, long Modified)
{
    public static FileStamp Of(SafeFileHandle file) => new(RandomAccess.GetLength(file), File.GetLastWriteTimeUtc(file).Ticks);
}

/// <summary>Files that hold many pictures each, of which parts are read by their position, in any order and from many threads at once.</summary>
/// <param name="paths">The files.</param>
/// <param name="listed">What each was when its pictures were listed.</param>
/// <param name="files">Meets the faults of the system.</param>
internal sealed class FileParts(IReadOnlyList<string> paths, IReadOnlyList<FileStamp> listed, PictureFiles files) : IDisposable
{
    private const int MostOpen = 256; // the first so many files stay open; others are opened each time, since a process may not have thousands

    private readonly SafeFileHandle?[] opened = new SafeFileHandle?[Math.Min(paths.Count, MostOpen)];

    /// <summary>Reads a part into memory of the shared pool.</summary>
    /// <exception cref="ImageAccessException">It could not be had, or the file is another than it was.</exception>
    public EncodedPicture Read(int file, long start, int length) => files.Patiently(paths[file], () =>
    {
        var buffer = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            Read(file, start, buffer.AsSpan(0, length));
            return new EncodedPicture(buffer, length);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }
    });

    public void Dispose()
    {
        foreach (var handle in opened) handle?.Dispose();
    }

    private void Read(int file, long start, Span<byte> bytes)
    {
        if (file >= opened.Length)
        {
            using var once = Open(file);
            Fill(file, once, start, bytes);
            return;
        }
        var handle = Volatile.Read(ref opened[file]) ?? Keep(file);
        try
        {
            Fill(file, handle, start, bytes);
        }
        catch (IOException)
        {
            Interlocked.CompareExchange(ref opened[file], null, handle); // after a fault of the network only a file that is opened anew is read
            throw;
        }
    }

    private SafeFileHandle Keep(int file)
    {
        var handle = Open(file);
        if (Interlocked.CompareExchange(ref opened[file], handle, null) is not { } first) return handle;
        handle.Dispose();
        return first;
    }

    private SafeFileHandle Open(int file) => File.OpenHandle(paths[file], FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.RandomAccess);

    private void Fill(int file, SafeFileHandle handle, long start, Span<byte> bytes)
    {
        var read = 1;
        for (var filled = 0; filled < bytes.Length && read > 0; filled += read) read = RandomAccess.Read(handle, bytes[filled..], start + filled);
        // Asked when it was read, so that what was written meanwhile is seen too.
        if (FileStamp.Of(handle) != listed[file]) throw ImageAccessException.Changed(paths[file]);
        if (read == 0) throw new EndOfStreamException("it ends before its picture does");
    }
}
