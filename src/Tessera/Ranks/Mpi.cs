using System.Runtime.InteropServices;
using System.Text;

namespace Tessera.Ranks;

/// <summary>The functions of an MPI library that Tessera calls, and its handles, whichever family it is of.</summary>
/// <remarks>
/// Open MPI's handles are addresses of objects that the library exports, MPICH's are integers (its ABI, which MPICH 3.1 and later keep). Both pass in a
/// register of a pointer's size, so that one set of signatures does. All calls come from one thread, the one that called <see cref="Load"/>.
/// </remarks>
internal sealed unsafe class Mpi
{
    /// <summary>Names a library other than the launcher's usual one.</summary>
    public const string LibraryVariable = "TESSERA_MPI";

    private const int Funneled = 1, ErrorText = 1024;

    private readonly MpiFamily family;
    private readonly nint library;
    private readonly nint world, bytes, floats, halves, sum, bfloat16Sum, inPlace;

    private readonly delegate* unmanaged<void*, void*, int, nint, nint, nint, int> allreduce;
    private readonly delegate* unmanaged<void*, int, nint, int, nint, int> broadcast;
    private readonly delegate* unmanaged<void*, int, nint, void*, int, nint, nint, int> allgather;
    private readonly delegate* unmanaged<void*, int, nint, void*, int*, int*, nint, nint, int> allgatherv;
    private readonly delegate* unmanaged<int, byte*, int*, int> errorString;
    private readonly delegate* unmanaged<int> finalize;

    private Mpi(nint library, MpiFamily family)
    {
        (this.library, this.family) = (library, family);
        world = Handle("ompi_mpi_comm_world", 0x44000000);
        bytes = Handle("ompi_mpi_byte", 0x4c00010d);
        floats = Handle("ompi_mpi_float", 0x4c00040a);
        halves = Handle("ompi_mpi_uint16_t", 0x4c00023c); // MPI knows no bfloat16: its sum is ours, over 16 bits
        sum = Handle("ompi_mpi_op_sum", 0x58000003);
        inPlace = family == MpiFamily.OpenMpi ? 1 : -1;
        allreduce = (delegate* unmanaged<void*, void*, int, nint, nint, nint, int>)Function("MPI_Allreduce");
        broadcast = (delegate* unmanaged<void*, int, nint, int, nint, int>)Function("MPI_Bcast");
        allgather = (delegate* unmanaged<void*, int, nint, void*, int, nint, nint, int>)Function("MPI_Allgather");
        allgatherv = (delegate* unmanaged<void*, int, nint, void*, int*, int*, nint, nint, int>)Function("MPI_Allgatherv");
        errorString = (delegate* unmanaged<int, byte*, int*, int>)Function("MPI_Error_string");
        finalize = (delegate* unmanaged<int>)Function("MPI_Finalize");

        int provided;
        Check("MPI_Init_thread", ((delegate* unmanaged<int*, byte***, int, int*, int>)Function("MPI_Init_thread"))(null, null, Funneled, &provided));
        Check("MPI_Comm_set_errhandler", ((delegate* unmanaged<nint, nint, int>)Function("MPI_Comm_set_errhandler"))(world, Handle("ompi_mpi_errors_return", 0x54000001)));
        int value;
        Check("MPI_Comm_rank", ((delegate* unmanaged<nint, int*, int>)Function("MPI_Comm_rank"))(world, &value));
        Rank = value;
        Check("MPI_Comm_size", ((delegate* unmanaged<nint, int*, int>)Function("MPI_Comm_size"))(world, &value));
        Size = value;
        nint made = 0;
        Check("MPI_Op_create", ((delegate* unmanaged<delegate* unmanaged<ushort*, ushort*, int*, nint*, void>, int, nint*, int>)Function("MPI_Op_create"))(&AddBfloat16, 1, &made));
        bfloat16Sum = made;
    }

    public int Rank { get; }

    public int Size { get; }

    /// <summary>The library by its own name: <c>Open MPI v4.1.4</c>.</summary>
    public string Version { get; private init; } = "";

    /// <summary>Loads the library that a launcher's ranks meet by, and joins them.</summary>
    /// <exception cref="RanksException">There is none, or it is of another family or an unknown one.</exception>
    public static Mpi Load(MpiFamily family)
    {
        var (library, file) = Open(family);
        if (!NativeLibrary.TryGetExport(library, "MPI_Get_library_version", out var function))
            throw new RanksException($"{file} is no MPI library: {Remedy(family)}.");
        var text = stackalloc byte[8192]; // MPI_MAX_LIBRARY_VERSION_STRING of both
        int length;
        _ = ((delegate* unmanaged<byte*, int*, int>)function)(text, &length);
        var version = Encoding.UTF8.GetString(text, Math.Clamp(length, 0, 8192)).Trim('\0', ' ').Split('\n', ',')[0].Trim();
        if (FamilyOf(version) is not { } found)
            throw new RanksException($"{file} is '{version}', whose handles Tessera does not know: it knows those of Open MPI and MPICH. {Remedy(family)}.");
        if (found != family)
            throw new RanksException($"{file} is '{version}', and the ranks were started by a launcher of {Word(family)}: each would be alone. {Remedy(family)}, or start them by {Word(found)}'s own launcher.");
        return new Mpi(library, family) { Version = version };
    }

    /// <summary>Whose interface a library has, by the version that it tells; null: neither's.</summary>
    public static MpiFamily? FamilyOf(string version) =>
        version.StartsWith("Open MPI", StringComparison.Ordinal) ? MpiFamily.OpenMpi
        : version.StartsWith("MPICH", StringComparison.Ordinal) ? MpiFamily.Mpich : null;

    /// <summary>Adds values of all ranks up, in place.</summary>
    public void Sum(void* values, int count, bool areBfloat16) =>
        Check("MPI_Allreduce", allreduce((void*)inPlace, values, count, areBfloat16 ? halves : floats, areBfloat16 ? bfloat16Sum : sum, world));

    /// <summary>Gives rank 0's values to all.</summary>
    public void FromFirst(void* values, int count) => Check("MPI_Bcast", broadcast(values, count, bytes, 0, world));

    /// <summary>Puts what ranks have together, in any lengths.</summary>
    public byte[][] Gather(byte[] own)
    {
        var lengths = new int[Size];
        var length = own.Length;
        fixed (int* all = lengths) Check("MPI_Allgather", allgather(&length, sizeof(int), bytes, all, sizeof(int), bytes, world));
        var begins = new int[Size];
        for (var i = 1; i < Size; i++) begins[i] = checked(begins[i - 1] + lengths[i - 1]);
        var together = new byte[checked(begins[^1] + lengths[^1])];
        fixed (byte* from = own, to = together)
        fixed (int* counts = lengths, starts = begins)
            Check("MPI_Allgatherv", allgatherv(from, length, bytes, to, counts, starts, bytes, world));
        return [.. lengths.Select((l, i) => together.AsSpan(begins[i], l).ToArray())];
    }

    /// <summary>Leaves the others; all must.</summary>
    public void End() => Check("MPI_Finalize", finalize());

    /// <summary>The sum of two bfloat16, rounded to the nearest, ties to even.</summary>
    public static ushort Add(ushort left, ushort right)
    {
        var bits = BitConverter.SingleToUInt32Bits(BitConverter.UInt32BitsToSingle((uint)left << 16) + BitConverter.UInt32BitsToSingle((uint)right << 16));
        return (bits & 0x7fffffff) > 0x7f800000 ? (ushort)0x7fc0 : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }

    [UnmanagedCallersOnly]
    private static void AddBfloat16(ushort* from, ushort* to, int* count, nint* type)
    {
        for (var i = 0; i < *count; i++) to[i] = Add(from[i], to[i]);
    }

    private static (nint Library, string File) Open(MpiFamily family)
    {
        if (Environment.GetEnvironmentVariable(LibraryVariable) is { Length: > 0 } named)
            return (OpenGlobally(named) is var opened and not 0 ? opened : throw new RanksException($"{LibraryVariable} names {named}, which does not load: set it to {Word(family)}'s library, or unset it."), named);
        string[] usual = family == MpiFamily.OpenMpi ? ["libmpi.so.40", "libmpi.so"] : ["libmpich.so.12", "libmpi.so.12", "libmpich.so"];
        foreach (var name in usual)
        {
            if (OpenGlobally(name) is var library and not 0) return (library, name);
        }
        throw new RanksException($"The ranks were started by a launcher of {Word(family)}, whose library was not found ({string.Join(", ", usual)}): {Remedy(family)}.");
    }

    private static string Remedy(MpiFamily family) => $"install {Word(family)}'s library, or set {LibraryVariable} to its file";

    private static string Word(MpiFamily family) => family == MpiFamily.OpenMpi ? "Open MPI" : "MPICH";

    // The library's plug-ins look for its functions among those that all may see.
    private static nint OpenGlobally(string name)
    {
        const int Now = 2, Global = 0x100;
        return OperatingSystem.IsLinux() ? dlopen(name, Now | Global) : NativeLibrary.TryLoad(name, out var library) ? library : 0;
    }

    private nint Handle(string name, int number) => family == MpiFamily.OpenMpi ? Function(name) : number;

    private nint Function(string name) => NativeLibrary.TryGetExport(library, name, out var address) ? address
        : throw new RanksException($"The MPI library ({Version}) has no {name}: {Remedy(family)}.");

    private void Check(string function, int code)
    {
        if (code == 0) return;
        var text = stackalloc byte[ErrorText];
        int length;
        var known = errorString(code, text, &length) == 0 ? Encoding.UTF8.GetString(text, Math.Clamp(length, 0, ErrorText)) : $"error {code}";
        throw new RanksException($"{function} failed: {known}.");
    }

    [DllImport("libc")]
    private static extern nint dlopen([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);
}
