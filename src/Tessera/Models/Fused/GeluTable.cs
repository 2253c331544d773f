using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Tessera.Models.Fused;

/// <summary>GELU of every bf16 number, as libtorch computes it, and its slope there.</summary>
/// <remarks>There are 65,536 of them, and those that a network meets lie in a few caches' lines: looking one up is faster than computing it.</remarks>
internal static unsafe class GeluTable
{
    private static readonly Lazy<Tensor> Table = new(Compute);

    /// <summary>By a number's bits: those of its value in the upper half, those of its slope in the lower.</summary>
    public static uint* Bits => (uint*)Runtime.TensorMemory.AddressOf(Table.Value);

    private static Tensor Compute()
    {
        using var scope = NewDisposeScope();
        using var on = enable_grad();
        var numbers = tensor(Array.ConvertAll([.. Enumerable.Range(0, 1 << 16)], bits => BitConverter.Int32BitsToSingle(bits << 16)));
        var inputs = numbers.clone().requires_grad_();
        var slopes = autograd.grad([functional.gelu(inputs).sum()], [inputs])[0].to(bfloat16);
        var values = functional.gelu(numbers.to(bfloat16));
        return stack([slopes, values], 1).contiguous().DetachFromDisposeScope(); // a number's value comes second: on the machines that there are, in the upper half
    }
}
