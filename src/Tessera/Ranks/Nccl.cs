using System.Runtime.InteropServices;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Ranks;

/// <summary>Sums of tensors in the memory of GPUs, one a rank, which never pass through the CPU's: NVIDIA's NCCL, as far as Tessera calls it.</summary>
/// <remarks>
/// The library is the one that Python's PyTorch brings (<c>nvidia/nccl/lib</c>) or the system has. Sums are queued behind what the device was asked for
/// before, on its standard stream, and what is asked for later waits for them there: no thread does.
/// </remarks>
internal sealed unsafe class Nccl : IDisposable
{
    private const int Float32 = 7, BFloat16 = 9, Sum = 0; // ncclDataType_t and ncclRedOp_t of nccl.h, which NCCL 2 keeps
    private const string Name = "libnccl.so.2";

    private readonly Device device;
    private readonly delegate* unmanaged<void*, void*, nuint, int, int, nint, nint, int> allreduce;
    private readonly delegate* unmanaged<nint, int> destroy;
    private readonly delegate* unmanaged<int, byte*> errorString;
    private readonly nint communicator;

    private Nccl(nint library, Device device, UniqueId id, int rank, int size)
    {
        this.device = device;
        allreduce = (delegate* unmanaged<void*, void*, nuint, int, int, nint, nint, int>)Function(library, "ncclAllReduce");
        destroy = (delegate* unmanaged<nint, int>)Function(library, "ncclCommDestroy");
        errorString = (delegate* unmanaged<int, byte*>)Function(library, "ncclGetErrorString");
        nint made = 0;
        CudaDriver.Installed.MakeCurrent(device);
        Check("ncclCommInitRank", ((delegate* unmanaged<nint*, int, UniqueId, int, int>)Function(library, "ncclCommInitRank"))(&made, size, id, rank));
        communicator = made;
    }

    /// <summary>Joins the ranks' GPUs; called on the thread that is to add.</summary>
    /// <param name="library">The library, see <see cref="Find"/>.</param>
    /// <param name="device">This rank's GPU.</param>
    /// <param name="rank">This rank.</param>
    /// <param name="size">How many there are.</param>
    /// <param name="fromFirst">Gives the first rank's bytes to all.</param>
    /// <exception cref="RanksException">NCCL refused.</exception>
    public static Nccl Join(nint library, Device device, int rank, int size, Func<byte[], byte[]> fromFirst)
    {
        var id = default(UniqueId);
        if (rank == 0 && ((delegate* unmanaged<UniqueId*, int>)Function(library, "ncclGetUniqueId"))(&id) is var code and not 0)
            throw new RanksException($"ncclGetUniqueId failed with error {code}.");
        var told = fromFirst(new ReadOnlySpan<byte>(&id, sizeof(UniqueId)).ToArray());
        told.CopyTo(new Span<byte>(&id, sizeof(UniqueId)));
        return new Nccl(library, device, id, rank, size);
    }

    /// <summary>Loads the library: the system's, or the one in a folder beside libtorch's, as Python's packages lie; 0 where there is none.</summary>
    /// <param name="libtorch">The folder that libtorch was loaded from; null: not known.</param>
    public static nint Find(string? libtorch)
    {
        string[] places = libtorch is null ? [Name] : [Name, Path.Combine(libtorch, Name), Path.Combine(libtorch, "..", "..", "nvidia", "nccl", "lib", Name)];
        foreach (var place in places)
        {
            if (NativeLibrary.TryLoad(place, out var library)) return library;
        }
        return 0;
    }

    /// <summary>Adds a tensor of all ranks up, in place; called on the thread that called <see cref="Join"/>.</summary>
    /// <param name="values">Contiguous, on the GPU; float32 or bfloat16.</param>
    /// <exception cref="RanksException">NCCL refused.</exception>
    public void AddUp(Tensor values)
    {
        var memory = (void*)TensorMemory.AddressOf(values);
        var standardStream = (nint)0;
        Check("ncclAllReduce", allreduce(memory, memory, (nuint)values.numel(), values.dtype == ScalarType.BFloat16 ? BFloat16 : Float32, Sum, communicator, standardStream));
    }

    /// <summary>Leaves the others.</summary>
    public void Dispose() => Check("ncclCommDestroy", destroy(communicator));

    private static nint Function(nint library, string name) =>
        NativeLibrary.TryGetExport(library, name, out var address) ? address : throw new RanksException($"{Name} has no {name}: install NCCL 2.");

    private void Check(string function, int code)
    {
        if (code != 0) throw new RanksException($"{function} failed on {device}: {Marshal.PtrToStringUTF8((nint)errorString(code))}.");
    }

    /// <summary>ncclUniqueId: 128 bytes, passed by value.</summary>
    private struct UniqueId
    {
        public fixed byte Bytes[128];
    }
}
