using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Runtime;

/// <summary>Operations on many tensors in one call, which TorchSharp does not pass on: compiled once, from a script.</summary>
/// <remarks>
/// Gradients are among them, though TorchSharp has a call for them: an error in it (that there is no memory, above all) finds nobody to catch it, and ends
/// the process. What a script throws becomes an exception.
/// </remarks>
internal static class TensorLists
{
    // The caller of _fused_adamw_ counts the steps: with a count of 0 the bias correction divides by zero.
    private const string Script = """
        def adamw(weights: List[Tensor], gradients: List[Tensor], means: List[Tensor], squares: List[Tensor], counts: List[Tensor],
                  rate: float, beta1: float, beta2: float, decay: float, epsilon: float):
            torch._foreach_add_(counts, 1)
            torch._fused_adamw_(weights, gradients, means, squares, [], counts, lr=rate, beta1=beta1, beta2=beta2,
                                weight_decay=decay, eps=epsilon, amsgrad=False, maximize=False)

        def copy(to: List[Tensor], values: List[Tensor]):
            torch._foreach_copy_(to, values)

        def to_fp32(values: List[Tensor]):
            dense = [value.contiguous() for value in values] # a GPU copies a list in one kernel where all lie alike
            copies = [torch.empty_like(value, dtype=6) for value in dense] # 6 is float32 here, where its name is unknown
            torch._foreach_copy_(copies, dense)
            return copies

        def add(sums: List[Tensor], terms: List[Tensor]):
            torch._foreach_add_(sums, terms)

        def move_towards(averages: List[Tensor], values: List[Tensor], share: float):
            torch._foreach_lerp_(averages, values, share)

        def gradients(outputs: List[Tensor], inputs: List[Tensor]):
            found: List[Tensor] = []
            for gradient in torch.grad(outputs, inputs):
                assert gradient is not None
                found.append(gradient)
            return found

        def gradients_from(outputs: List[Tensor], inputs: List[Tensor], ends: List[Tensor]):
            given: List[Optional[Tensor]] = []
            for end in ends:
                given.append(end)
            found: List[Tensor] = []
            for gradient in torch.grad(outputs, inputs, given):
                assert gradient is not None
                found.append(gradient)
            return found

        def clip(gradients: List[Tensor], limit: float):
            norm = torch.linalg_vector_norm(torch.stack(torch._foreach_norm(gradients, 2, 6)))
            torch._foreach_mul_(gradients, torch.clamp(limit / (norm + 1e-6), max=1.0))

        """; // The compiler wants the last line ended.

    private static readonly Lazy<jit.CompilationUnit> Kernels = new(() => jit.compile(Script));

    /// <summary>AdamW's step (Loshchilov and Hutter 2019, algorithm 2); counts are raised first.</summary>
    public static void AdamW(
        Tensor[] weights, Tensor[] gradients, Tensor[] means, Tensor[] squares, Tensor[] counts,
        double rate, double beta1, double beta2, double decay, double epsilon) =>
        Invoke("adamw", [weights, gradients, means, squares, counts], rate, beta1, beta2, decay, epsilon);

    /// <summary>Overwrites tensors, changing the values' type as needed.</summary>
    public static void Copy(Tensor[] to, Tensor[] values) => Invoke("copy", [to, values]);

    /// <summary>The same values in fp32, contiguous; what is both already keeps its memory.</summary>
    public static Tensor[] ToFp32(Tensor[] values) => Array.TrueForAll(values, v => v.dtype == ScalarType.Float32)
        ? Array.ConvertAll(values, v => v.contiguous())
        : (Tensor[])Kernels.Value.invoke("to_fp32", [values]);

    /// <summary>Adds terms to sums, each to each.</summary>
    public static void Add(Tensor[] sums, Tensor[] terms)
    {
        // libtorch converts each bf16 tensor to fp32 before it adds it, which costs more than adding does.
        var rest = Enumerable.Range(0, sums.Length).Where(i => !AddHere(sums[i], terms[i])).ToArray();
        if (rest.Length > 0) Invoke("add", [Array.ConvertAll(rest, i => sums[i]), Array.ConvertAll(rest, i => terms[i])]);
    }

    /// <summary>The gradients of outputs with respect to inputs; what the forward pass kept for them is let go.</summary>
    /// <param name="outputs">What to go back from.</param>
    /// <param name="inputs">Each has a part in them.</param>
    /// <param name="from">The gradients with respect to the outputs; null: each is a loss.</param>
    public static Tensor[] Gradients(Tensor[] outputs, Tensor[] inputs, Tensor[]? from = null) =>
        (Tensor[])(from is null ? Kernels.Value.invoke("gradients", [outputs, inputs]) : Kernels.Value.invoke("gradients_from", [outputs, inputs, from]));

    /// <summary>Moves averages a share of the way towards values: average + share · (value − average).</summary>
    public static void MoveTowards(Tensor[] averages, Tensor[] values, double share) => Invoke("move_towards", [averages, values], share);

    /// <summary>Scales gradients so that the norm of all is at most <paramref name="limit"/>, without waiting for the device.</summary>
    public static void Clip(Tensor[] gradients, double limit) => Invoke("clip", [gradients], limit);

    /// <summary>Adds bf16 numbers to fp32 sums on one core.</summary>
    /// <returns>False: they are of other formats, or lie otherwise, or an operation has several cores; nothing was added.</returns>
    private static unsafe bool AddHere(Tensor sums, Tensor terms)
    {
        if (terms.dtype != ScalarType.BFloat16 || sums.dtype != ScalarType.Float32 || sums.device.type != DeviceType.CPU || get_num_threads() > 1
            || !terms.is_contiguous() || !sums.is_contiguous() || !terms.shape.AsSpan().SequenceEqual(sums.shape)) return false;
        var from = (Bf16*)TensorMemory.AddressOf(terms);
        var to = (float*)TensorMemory.AddressOf(sums);
        var (count, i) = (terms.numel(), 0L);
        for (; i <= count - Vector512<float>.Count; i += Vector512<float>.Count) (Vector512.Load(to + i) + Bf16.Load(from + i)).Store(to + i);
        for (; i < count; i++) to[i] += from[i].ToSingle();
        return true;
    }

    // The numbers are kept until the call has ended: see HeldNumbers.
    private static void Invoke(string name, Tensor[][] lists, params double[] numbers)
    {
        var held = Array.ConvertAll(numbers, HeldNumbers.Hold);
        Kernels.Value.invoke(name, [.. lists, .. held]);
        foreach (var number in held) number.Dispose();
    }
}
