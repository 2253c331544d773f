using System.Runtime.InteropServices;
using Tessera.Ranks;
using static TorchSharp.torch;

namespace Tessera.Tests.Ranks;

public sealed class MpiTests
{
    [Fact]
    public void Sums_Of_Bfloat16_Are_Rounded_As_Torch_Rounds_Them()
    {
        using var scope = NewDisposeScope();
        // Every exponent and sign, signed zeros, infinities and what is no number, each with a partner of its own.
        var left = Enumerable.Range(0, 1 << 16).Select(i => (ushort)i).ToArray();
        var right = left.Select(i => (ushort)(i * 40503)).ToArray();
        var wanted = MemoryMarshal.Cast<byte, ushort>(Of(left).add(Of(right), 1).to(ScalarType.BFloat16).contiguous().bytes);

        for (var i = 0; i < left.Length; i++)
        {
            var made = Mpi.Add(left[i], right[i]);
            if (IsNumber(wanted[i])) made.ShouldBe(wanted[i], $"{i:x} + {right[i]:x}");
            else IsNumber(made).ShouldBeFalse($"{i:x} + {right[i]:x}");
        }

        static Tensor Of(ushort[] bits) => tensor(Array.ConvertAll(bits, b => BitConverter.UInt32BitsToSingle((uint)b << 16)));

        static bool IsNumber(ushort bits) => (bits & 0x7fff) <= 0x7f80;
    }

    [Fact]
    public void Knows_Libraries_By_Their_Own_Words()
    {
        Mpi.FamilyOf("Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4").ShouldBe(MpiFamily.OpenMpi);
        Mpi.FamilyOf("MPICH Version:\t4.0.2").ShouldBe(MpiFamily.Mpich);
        Mpi.FamilyOf("Intel(R) MPI Library 2021.10 for Linux* OS").ShouldBeNull();
        Mpi.FamilyOf("").ShouldBeNull();
    }
}
