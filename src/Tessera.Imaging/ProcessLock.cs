namespace Tessera.Imaging;

/// <summary>A file that one process holds at a time, so that work for all of them is done once. The system lets go of it however the process ends.</summary>
internal static class ProcessLock
{
    private const int SharingViolation = unchecked((int)0x80070020); // Windows' ERROR_SHARING_VIOLATION
    private const int LinuxAgain = 11, MacAgain = 35; // EAGAIN, what flock says where another has it

    private static readonly TimeSpan Between = TimeSpan.FromSeconds(0.2);

    /// <summary>Takes the lock, once whoever has it lets go.</summary>
    /// <param name="file">Its place; the folder exists.</param>
    /// <param name="waiting">Called once where it has to be waited for.</param>
    /// <param name="cancellation">Stops waiting.</param>
    /// <exception cref="IOException">The file cannot be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static FileStream Take(string file, Action waiting, CancellationToken cancellation)
    {
        for (var isFirst = true; ; isFirst = false)
        {
            try
            {
                return new FileStream(file, FileMode.OpenOrCreate, FileAccess.Write, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose);
            }
            catch (IOException error) when (error.HResult == (OperatingSystem.IsWindows() ? SharingViolation : OperatingSystem.IsMacOS() ? MacAgain : LinuxAgain))
            {
                if (isFirst) waiting();
            }
            cancellation.WaitHandle.WaitOne(Between);
            cancellation.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Removes what a holder that was killed has left; does nothing where there is none, one holds it, or it may not be removed.</summary>
    /// <param name="file">Its place.</param>
    public static void Clear(string file)
    {
        if (!File.Exists(file)) return;
        try
        {
            new FileStream(file, FileMode.Open, FileAccess.Write, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose).Dispose();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // It is held, or stays where nobody may write: it is in nobody's way.
        }
    }
}
