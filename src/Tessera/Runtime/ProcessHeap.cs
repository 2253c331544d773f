using System.Runtime.InteropServices;

namespace Tessera.Runtime;

/// <summary>How the C library hands memory out, where it lets itself be told (glibc).</summary>
internal static class ProcessHeap
{
    // malloc.h; each is also described in mallopt(3).
    private const int TrimThreshold = -1, TopPad = -2, MapThreshold = -3, MostArenas = -8;
    private const int LargestMapThreshold = 32 << 20; // glibc takes no more
    private const int Never = -1;
    private const int Step = 256 << 20; // only addresses: memory is taken when it is first touched

    /// <summary>Keeps what is freed for the next allocation, instead of giving it back to the system.</summary>
    /// <remarks>
    /// A training step frees what it computed and needs the same again. Given back, each page is faulted in and zeroed anew every step, which
    /// took 10 to 40 % of a step's time where that was measured. Blocks of 32 MiB and more are still given back. Each arena keeps what was freed in it,
    /// and threads that come and go are given one after the other until eight a core are there: one a core is enough, and what they keep is level sooner.
    /// </remarks>
    public static void KeepFreedMemory()
    {
        if (!OperatingSystem.IsLinux() || !NativeLibrary.TryLoad("libc.so.6", out var library)
            || !NativeLibrary.TryGetExport(library, "mallopt", out var address)) return;
        unsafe
        {
            var set = (delegate* unmanaged<int, int, int>)address;
            _ = set(MapThreshold, LargestMapThreshold);
            _ = set(TrimThreshold, Never);
            _ = set(TopPad, Step);
            _ = set(MostArenas, Environment.ProcessorCount);
        }
    }
}
