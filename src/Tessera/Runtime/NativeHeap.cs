using System.Runtime.InteropServices;

namespace Tessera.Runtime;

/// <summary>Keeps memory that libtorch frees within the process, so that the next training step finds it ready.</summary>
/// <remarks>
/// A step frees all its activations. By default glibc hands blocks that large back to the kernel, and the next step pays a page fault,
/// and the zeroing of a page, for each 4 KiB of them again. Here freed blocks stay on the heap, and the heap asks for huge pages. What was
/// gained is in docs/performance.md. Nothing happens where the C library is not glibc.
/// </remarks>
internal static partial class NativeHeap
{
    private const int TrimThreshold = -1, TopPad = -2, MmapMax = -4; // M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX of malloc.h
    private const int HugePages = 14;                                 // MADV_HUGEPAGE
    private const nuint HugePageSize = 2 << 20;

    private static int done;

    /// <summary>Sets the heap up, once.</summary>
    public static unsafe void KeepFreedMemory()
    {
        if (!OperatingSystem.IsLinux() || Interlocked.Exchange(ref done, 1) != 0) return;
        if (!NativeLibrary.TryLoad("libc.so.6", out var libc) || !NativeLibrary.TryGetExport(libc, "mallopt", out _)) return;

        // Large blocks from the heap instead of mappings of their own, and nothing trimmed off its end.
        if (mallopt(MmapMax, 0) == 0 || mallopt(TrimThreshold, int.MaxValue) == 0 || mallopt(TopPad, 64 << 20) == 0) return;

        // The heap is stretched once over a quarter of the machine's memory, of which no page is taken before it is written to, so that
        // the advice about huge pages holds for whatever is allocated there later.
        var length = (nuint)(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4);
        var block = malloc(length);
        if (block == null) return;
        var start = ((nuint)block + HugePageSize - 1) / HugePageSize * HugePageSize;
        _ = madvise((void*)start, length - (start - (nuint)block), HugePages); // a kernel without huge pages goes on with small ones
        free(block);
    }

    [LibraryImport("libc.so.6")]
    private static partial int mallopt(int parameter, int value);

    [LibraryImport("libc.so.6")]
    private static unsafe partial void* malloc(nuint length);

    [LibraryImport("libc.so.6")]
    private static unsafe partial void free(void* block);

    [LibraryImport("libc.so.6")]
    private static unsafe partial int madvise(void* start, nuint length, int advice);
}
