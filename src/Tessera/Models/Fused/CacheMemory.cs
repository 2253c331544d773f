using System.Runtime.InteropServices;

namespace Tessera.Models.Fused;

/// <summary>Memory for what passes through a core's cache, which begins on a line of it and is given back together.</summary>
internal sealed unsafe class CacheMemory : IDisposable
{
    private const int Line = 64;

    private readonly List<nint> taken = [];

    /// <summary>Takes memory for so many numbers, with anything in it.</summary>
    public T* Take<T>(long count) where T : unmanaged
    {
        var place = NativeMemory.AlignedAlloc((nuint)(count * sizeof(T)), Line);
        taken.Add((nint)place);
        return (T*)place;
    }

    public void Dispose()
    {
        foreach (var place in taken) NativeMemory.AlignedFree((void*)place);
        taken.Clear();
    }
}
