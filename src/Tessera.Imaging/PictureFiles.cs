using System.Buffers;

namespace Tessera.Imaging;

/// <summary>Reads the files of pictures whole. A fault that may pass is met with patience; one that stays ends the work.</summary>
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

    /// <summary>Reads a file into memory that is rented from the shared pool, to which the caller returns it.</summary>
    /// <param name="file">A path.</param>
    /// <param name="name">What to call the picture if it is broken.</param>
    /// <exception cref="BrokenImageException">It is longer than pictures are, or no file at all.</exception>
    /// <exception cref="ImageAccessException">It is not there, may not be read, or every try failed.</exception>
    public (byte[] Buffer, int Length) Read(string file, string name)
    {
        for (var failures = 0; ; failures++)
        {
            try
            {
                return ReadOnce(file, name);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                if (Directory.Exists(file)) throw new BrokenImageException(name, "is a folder, not a picture", error);
                if (!MayPass(error) || failures == waits.Count) throw ImageAccessException.Of(file, failures + 1, error);
                wait(waits[failures]);
            }
        }
    }

    private (byte[] Buffer, int Length) ReadOnce(string file, string name)
    {
        using var stream = open(file);
        if (!stream.CanSeek) throw new BrokenImageException(name, "is a pipe or a device, not a file");
        var size = stream.Length;
        if (size > Array.MaxLength) throw new BrokenImageException(name, "is larger than 2 GB");
        var buffer = ArrayPool<byte>.Shared.Rent((int)size);
        try
        {
            stream.ReadExactly(buffer.AsSpan(0, (int)size)); // one that is written to just now is not cut short: it is read again
            return (buffer, (int)size);
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

    private static FileStream Open(string file) => new(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0);
}
