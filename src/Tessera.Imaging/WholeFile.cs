using System.Globalization;
using System.Runtime.InteropServices;

namespace Tessera.Imaging;

/// <summary>Writes a file beside its place and renames it over: a reader meets the old file or the new one, never half of one.</summary>
/// <remarks>
/// Its bytes are on the disk before it is renamed, and the name is too when a call returns, so that a power cut leaves either file whole.
/// What was written so far is removed where writing fails; a kill leaves <c>FILE.partial</c>, which the next writing replaces. Of two that write
/// the same file at once, the second is refused.
/// </remarks>
internal static class WholeFile
{
    private const string Ending = ".partial";
    private const string MakeRoom = "free some, or choose another folder";
    private const string TooLarge = "a file may not be that large here, by a limit of the disk or of the shell: choose another folder, or lift the limit";
    private const int WithoutCode = unchecked((int)0x80131620); // COR_E_IO

    /// <summary>Writes a file.</summary>
    /// <param name="file">Its place; the folder exists.</param>
    /// <param name="write">Writes its bytes; may read them again.</param>
    /// <param name="size">Its size in bytes where that is known, so that a full disk is noticed before work is done; else 0.</param>
    /// <param name="lasts">
    /// False for what is large, checked whenever it is read and made anew where it is not whole: then nobody waits for the disk, and after a power cut
    /// part of the file may be missing.
    /// </param>
    /// <exception cref="IOException">It cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be written.</exception>
    public static void Write(string file, Action<FileStream> write, long size = 0, bool lasts = true)
    {
        WriteBeside(file, write, size, lasts);
        Put(file);
        if (lasts) FlushFolder(Path.GetDirectoryName(Path.GetFullPath(file))!);
    }

    /// <summary>Writes files that belong together: all are whole before one has its name, and at no instant do some stand beside others that are older.</summary>
    /// <param name="files">Their places, in one folder that exists, and what writes their bytes. The first is what the others are about: while names change hands, it alone may stand.</param>
    /// <exception cref="IOException">One cannot be written; the message names it.</exception>
    /// <exception cref="UnauthorizedAccessException">They may not be written.</exception>
    public static void WriteTogether(params IReadOnlyList<(string File, Action<FileStream> Write)> files)
    {
        var written = new List<string>();
        try
        {
            foreach (var (file, write) in files)
            {
                Naming(file, () => WriteBeside(file, write, size: 0, lasts: true));
                written.Add(file);
            }
            foreach (var (file, _) in files.Skip(1)) File.Delete(file);
            foreach (var file in written) Naming(file, () => Put(file));
        }
        catch
        {
            foreach (var file in written) Remove(file + Ending);
            throw;
        }
        FlushFolder(Path.GetDirectoryName(Path.GetFullPath(files[0].File))!);
    }

    /// <summary>Writes a file somehow, and says in one sentence which could not be written.</summary>
    /// <exception cref="IOException">It cannot be written, or may not be.</exception>
    public static void Naming(string file, Action write)
    {
        var start = $"{file} cannot be written: ";
        try
        {
            write();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException && !failure.Message.StartsWith(start, StringComparison.Ordinal))
        {
            throw new IOException($"{start}{failure.Message.TrimEnd('.')}.", failure);
        }
    }

    private static void WriteBeside(string file, Action<FileStream> write, long size, bool lasts)
    {
        var created = false;
        try
        {
            // A file that is cut to nothing when it is opened waits for the disk when it is closed, on ext4: only what a killed process left is.
            var mode = File.Exists(file + Ending) ? FileMode.Create : FileMode.CreateNew;
            var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = FileShare.None, PreallocationSize = size };
            using var stream = new FileStream(file + Ending, options);
            created = true;
            write(stream);
            stream.Flush(flushToDisk: lasts);
        }
        catch (Exception failure)
        {
            if (created) Remove(file + Ending);
            // The room that was asked for beforehand is refused in words of the framework's, without a code.
            if (!created && size > 0 && failure is IOException { HResult: WithoutCode })
                throw new IOException(string.Create(CultureInfo.InvariantCulture, $"there is no room for its {(size < 1_000_000 ? $"{size / 1e3:f1} kB" : $"{size / 1e6:f1} MB")}: {MakeRoom}"), failure);
            if (Reason(failure) is var reason && reason != failure.Message) throw new IOException(reason, failure);
            throw;
        }
    }

    private static void Put(string file)
    {
        try
        {
            File.Move(file + Ending, file, overwrite: true);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            Remove(file + Ending);
            if (Reason(failure) is var reason && reason != failure.Message) throw new IOException(reason, failure);
            throw;
        }
    }

    /// <summary>Writes bytes.</summary>
    /// <inheritdoc cref="Write(string, Action{FileStream}, long, bool)"/>
    public static void Write(string file, byte[] content) => Write(file, stream => stream.Write(content), content.Length);

    /// <summary>Writes text in UTF-8.</summary>
    /// <inheritdoc cref="Write(string, Action{FileStream}, long, bool)"/>
    public static void Write(string file, string text) => Write(file, System.Text.Encoding.UTF8.GetBytes(text));

    /// <summary>Why writing failed, for people: of a full disk what it is and what to do, else what the system says.</summary>
    public static string Reason(Exception failure) => (OperatingSystem.IsWindows() ? failure.HResult & 0xffff : failure.HResult) switch
    {
        _ when failure is ArgumentOutOfRangeException && failure.TargetSite?.DeclaringType == typeof(RandomAccess) => TooLarge, // which the framework makes of EFBIG
        _ when failure is not IOException => failure.Message,
        112 or 39 when OperatingSystem.IsWindows() => $"its disk has no room left: {MakeRoom}", // ERROR_DISK_FULL, ERROR_HANDLE_DISK_FULL
        28 or 122 or 69 when !OperatingSystem.IsWindows() => $"its disk has no room left: {MakeRoom}", // ENOSPC; EDQUOT of Linux and of macOS
        27 when !OperatingSystem.IsWindows() => TooLarge, // EFBIG
        _ => failure.Message,
    };

    /// <summary>Makes the names in a folder last through a power cut, where the system has a call for that.</summary>
    public static void FlushFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        var descriptor = open(folder, 0); // O_RDONLY
        if (descriptor < 0) return; // a folder that may be written and not read: its names are the system's matter
        _ = fsync(descriptor);
        _ = close(descriptor);
    }

    private static void Remove(string partial)
    {
        try
        {
            File.Delete(partial);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The failure that led here is the one to tell; the next writing replaces what is left.
        }
    }

    [DllImport("libc")]
    private static extern int open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc")]
    private static extern int fsync(int descriptor);

    [DllImport("libc")]
    private static extern int close(int descriptor);
}
