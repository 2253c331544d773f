using System.Diagnostics;
using System.Runtime.InteropServices;
using Tessera.Ranks;
using Tessera.Runtime;
using Tessera.Tests.Fixtures;
using static TorchSharp.torch;

namespace Tessera.Tests.Ranks;

/// <summary>How NCCL is called, seen by a library of the same functions in C, since the real one needs a GPU.</summary>
public sealed class NcclTests : IDisposable
{
    private const string Library = """
        #include <stddef.h>
        #include <string.h>
        typedef struct { char internal[128]; } ncclUniqueId;
        static char ids[2][128]; static int sizes[2], ranks[2], made, destroyed;
        int ncclGetUniqueId(ncclUniqueId* id) { for (int i = 0; i < 128; i++) id->internal[i] = i; return 0; }
        int ncclCommInitRank(void** comm, int size, ncclUniqueId id, int rank) {
          memcpy(ids[made], id.internal, 128); sizes[made] = size; ranks[made] = rank; *comm = &sizes[made++]; return rank < size ? 0 : 4;
        }
        int ncclAllReduce(const void* from, void* to, size_t count, int type, int op, void* comm, void* stream) {
          if (op != 0 || stream != 0 || from != to || comm != &sizes[0]) return 5;
          if (type == 7) for (size_t i = 0; i < count; i++) ((float*)to)[i] *= 2;
          else if (type == 9) for (size_t i = 0; i < count; i++) ((unsigned short*)to)[i] = 0x4040;
          else return 4;
          return 0;
        }
        int ncclCommDestroy(void* comm) { destroyed++; return 0; }
        const char* ncclGetErrorString(int code) { return code == 4 ? "invalid argument" : "other"; }
        int seen(char* id, int* size, int* rank) { memcpy(id, ids[0], 128); *size = sizes[0]; *rank = ranks[0]; return destroyed; }
        """;

    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Passes_What_The_Header_Says()
    {
        var library = Compiled();
        byte[] told = [.. Enumerable.Range(0, 128).Select(i => (byte)(i * 7 + 1))]; // of rank 0, by MPI
        using var scope = NewDisposeScope();
        var values = tensor([1f, 2, 3]);
        var halves = zeros(4, ScalarType.BFloat16);

        using (var nccl = Nccl.Join(library, CPU, rank: 1, size: 2, own => { own.ShouldAllBe(b => b == 0); return told; }))
        {
            nccl.AddUp(values);
            nccl.AddUp(halves);
        }

        values.Floats().ShouldBe([2, 4, 6]);
        halves.to(ScalarType.Float32).Floats().ShouldBe([3, 3, 3, 3]);
        var id = new byte[128];
        Marshal.GetDelegateForFunctionPointer<Seen>(NativeLibrary.GetExport(library, "seen"))(id, out var size, out var rank).ShouldBe(1);
        id.ShouldBe(told);
        (size, rank).ShouldBe((2, 1));
        Should.Throw<RanksException>(() => Nccl.Join(library, CPU, rank: 2, size: 2, own => told)).Message.ShouldBe("ncclCommInitRank failed on cpu: invalid argument.");
    }

    [Fact]
    public void Knows_Where_Values_Lie()
    {
        using var values = tensor([1f, 2, 3]);
        var read = new float[2];
        using var later = values.narrow(0, 1, 2);
        Marshal.Copy(TensorMemory.AddressOf(later), read, 0, 2);
        read.ShouldBe([2, 3]);
    }

    private delegate int Seen(byte[] id, out int size, out int rank);

    private nint Compiled()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && File.Exists("/usr/bin/gcc"), "It needs gcc.");
        File.WriteAllText(folder.File("nccl.c"), Library);
        using var gcc = Process.Start("/usr/bin/gcc", ["-shared", "-fPIC", "-o", folder.File("libnccl.so.2"), folder.File("nccl.c")]);
        gcc.WaitForExit();
        gcc.ExitCode.ShouldBe(0);
        return NativeLibrary.Load(folder.File("libnccl.so.2"));
    }
}
