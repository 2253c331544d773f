using Tessera.Runtime;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Tessera.Models.Fused;

/// <summary>GELU of every bf16 number, as libtorch computes it, and its slope there.</summary>
/// <remarks>There are 65,536 of them, and those that a network meets lie in a few of a cache's lines: looking one up is faster than computing it.</remarks>
internal static unsafe class GeluTable
{
    private const int Numbers = 1 << 16;
    private static readonly Lazy<uint[]> Table = new(Compute);

    /// <summary>By a number's bits: those of its value in the upper half, those of its slope in the lower.</summary>
    public static uint* Bits
    {
        get
        {
            fixed (uint* first = Table.Value) return first; // it is pinned for good
        }
    }

    private static uint[] Compute()
    {
        using var scope = NewDisposeScope();
        using var on = enable_grad();
        var numbers = tensor(Array.ConvertAll([.. Enumerable.Range(0, Numbers)], bits => BitConverter.Int32BitsToSingle(bits << 16)));
        var inputs = numbers.clone().requires_grad_();
        var slopes = TensorLists.Gradients([functional.gelu(inputs).sum()], [inputs])[0].to(bfloat16);
        var values = functional.gelu(numbers.to(bfloat16));
        var table = GC.AllocateUninitializedArray<uint>(Numbers, pinned: true);
        var upper = (ushort*)TensorMemory.AddressOf(values);
        var lower = (ushort*)TensorMemory.AddressOf(slopes);
        for (var i = 0; i < Numbers; i++) table[i] = (uint)upper[i] << 16 | lower[i];
        return table;
    }
}
