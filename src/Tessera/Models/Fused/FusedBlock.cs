using System.Runtime.ExceptionServices;
using Tessera.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Models.Fused;

/// <summary>
/// A transformer block's forward and backward pass on one core: those of <see cref="CachedBlock"/> where it suits, or else libtorch's matrix products, and
/// between them <see cref="BlockKernels"/>, each of which passes over memory once where operations of libtorch's would several times.
/// </summary>
/// <remarks>
/// The same mathematics as <see cref="TransformerBlock"/>'s, rounded to the tokens' number format less often. A training step
/// asks for it, and nobody else: a pass backward lets go of what the forward one kept, so it can be made once.
/// </remarks>
internal sealed unsafe class FusedBlock : autograd.SingleTensorFunction<FusedBlock>
{
    private const string KeptKey = "kept";

    [ThreadStatic]
    private static bool isWanted;

    [ThreadStatic]
    private static Exception? fault;

    /// <inheritdoc/>
    public override string Name => nameof(FusedBlock);

    /// <summary>Whether blocks on this thread are computed so, where they can be.</summary>
    public static bool IsWanted => isWanted;

    /// <summary>Has blocks on this thread be computed so until the result is disposed.</summary>
    public static IDisposable WantedHere() => new Wish();

    /// <summary>Whether a block can be: on a CPU, in fp32 or bf16, and of such widths as vectors divide.</summary>
    public static bool Suits(Tensor tokens, BlockParts parts) =>
        tokens.device.type == DeviceType.CPU && (tokens.dtype is ScalarType.Float32 or ScalarType.BFloat16) && tokens.dtype == parts.Tensors[0].dtype
        && tokens.shape[2] % BlockKernels.Lanes == 0 && parts.Tensors[8].shape[0] % BlockKernels.Lanes == 0
        && tokens.shape[2] / parts.Heads * tokens.element_size() % AttentionKernels.Step == 0;

    /// <param name="tokens">(B, N, D)</param>
    /// <param name="parts">The block.</param>
    /// <returns>(B, N, D)</returns>
    public static Tensor Apply(Tensor tokens, BlockParts parts)
    {
        if (is_grad_enabled() && (tokens.requires_grad || Array.Exists(parts.Tensors, t => t.requires_grad))) return apply([tokens, .. parts.Tensors, parts]);
        var kept = new Kept(parts, tokens);
        var output = Forward(kept, tokens);
        kept.LetGo();
        return output;
    }

    /// <summary>Goes back by <paramref name="pass"/>, and throws what went wrong in a block on the way, which cannot pass through libtorch.</summary>
    public static T Backward<T>(Func<T> pass)
    {
        fault = null;
        var result = pass();
        if (fault is { } cause) ExceptionDispatchInfo.Throw(cause);
        return result;
    }

    /// <inheritdoc/>
    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        var tokens = (Tensor)vars[0];
        var kept = new Kept((BlockParts)vars[^1], tokens);
        ctx.save_data(KeptKey, kept);
        return Forward(kept, tokens);
    }

    /// <inheritdoc/>
    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        var kept = (Kept)ctx.get_data(KeptKey);
        try
        {
            return [.. grad_output.dtype == ScalarType.BFloat16 ? kept.Backward<Bf16>(grad_output) : kept.Backward<Fp32>(grad_output), null!];
        }
        catch (Exception exception)
        {
            fault = exception;
            return [.. kept.NoGradients(), null!]; // an exception, and gradients that are missing, end the process
        }
    }

    private static Tensor Forward(Kept kept, Tensor tokens) => tokens.dtype == ScalarType.BFloat16 ? kept.Forward<Bf16>(tokens) : kept.Forward<Fp32>(tokens);

    private sealed class Wish : IDisposable
    {
        private readonly bool before = isWanted;

        public Wish() => isWanted = true;

        public void Dispose() => isWanted = before;
    }

    /// <summary>What a forward pass leaves for the backward one. (rows, …) are all pictures' tokens; heads is (B · heads).</summary>
    private sealed class Kept
    {
        private readonly Tensor gamma1, gamma2, qkv, proj, fc1, fc2;
        private readonly BlockParts parts;
        private readonly int heads, tokens, width, hidden, headBytes;
        private readonly long pictures, rows;
        private readonly long[] shape;
        private readonly ScalarType type;
        private readonly float scale; // of a query times a key

        // Tokens (rows, D); statistics of both norms (4, rows); queries, keys, values (3, heads, N, D / heads), or (rows, 3 D) in a core's cache; attention's
        // shares (heads, N, N), padded there; its result (rows, D); with it (rows, D); the MLP's slopes at its activation and what that made (rows, hidden).
        private Tensor? input, statistics, normed1, apart, shares, joined, attended, normed2, slopes, activated;

        public Kept(BlockParts parts, Tensor like)
        {
            this.parts = parts;
            var all = parts.Tensors;
            (gamma1, gamma2, qkv, proj, fc1, fc2) = (all[0], all[2], all[4], all[6], all[8], all[10]);
            (shape, type, heads) = (like.shape, like.dtype, parts.Heads);
            (pictures, tokens, width) = (shape[0], (int)shape[1], (int)shape[2]);
            (rows, hidden) = (pictures * tokens, (int)fc1.shape[0]);
            headBytes = width / heads * (int)like.element_size();
            scale = 1 / MathF.Sqrt(width / heads);
        }

        private bool StaysInCache => type == ScalarType.BFloat16 && CachedBlock.Suits(tokens, width);

        private Tensor?[] All => [input, statistics, normed1, apart, shares, joined, attended, normed2, slopes, activated];

        public Tensor Forward<T>(Tensor given) where T : unmanaged, INumberFormat<T>
        {
            using var scope = NewDisposeScope();
            var biases = parts.Tensors;
            input = given.contiguous().view(rows, width);
            statistics = empty(4, rows, dtype: ScalarType.Float32);
            if (StaysInCache) return ForwardInCache().MoveToOuterDisposeScope();
            var at = At<float>(statistics);

            normed1 = empty_like(input);
            BlockKernels.Norm(At<T>(input), null, null, At<T>(normed1), at, at + rows, At<T>(gamma1), At<T>(biases[1]), rows, width, parts.Epsilon);
            var together = nn.functional.linear(normed1, qkv, biases[5]);
            apart = empty(3, pictures * heads, tokens, width / heads, dtype: type);
            AttentionKernels.SplitHeads(At<byte>(together), At<byte>(apart), pictures, tokens, 3, heads, headBytes);
            var each = apart.unbind(0);
            shares = each[0].bmm(each[1].transpose(1, 2));
            AttentionKernels.Softmax(At<T>(shares), pictures * heads * tokens, tokens, scale);
            joined = empty_like(input);
            AttentionKernels.JoinHeads(At<byte>(shares.bmm(each[2])), At<byte>(joined), heads * headBytes, pictures, tokens, heads, headBytes);

            attended = joined.mm(proj.t());
            normed2 = empty_like(input);
            BlockKernels.Norm(At<T>(attended), At<T>(biases[7]), At<T>(input), At<T>(normed2), at + 2 * rows, at + 3 * rows, At<T>(gamma2), At<T>(biases[3]), rows, width, parts.Epsilon);
            slopes = nn.functional.linear(normed2, fc1, biases[9]);
            activated = empty_like(slopes);
            if (typeof(T) == typeof(Bf16)) BlockKernels.Gelu(At<ushort>(slopes), At<ushort>(activated), GeluTable.Bits, rows * hidden);
            else BlockKernels.Gelu(At<Fp32>(slopes), At<Fp32>(activated), rows * hidden);
            var output = activated.mm(fc2.t());
            BlockKernels.Add(At<T>(output), At<T>(biases[11]), At<T>(attended), rows, width);

            foreach (var kept in All) kept?.DetachFromDisposeScope();
            return output.view(shape).MoveToOuterDisposeScope();
        }

        /// <returns>The gradients of the tokens and of the block's parameters.</returns>
        public Tensor[] Backward<T>(Tensor slope) where T : unmanaged, INumberFormat<T>
        {
            if (input is null) throw new InvalidOperationException("What a block's forward pass kept is gone: its backward pass is made once.");
            using var scope = NewDisposeScope();
            var at = At<float>(statistics!);
            var sums = zeros(10 * width + hidden, dtype: ScalarType.Float32);
            float* ofNorm1 = At<float>(sums), ofNorm2 = ofNorm1 + 3 * width, ofFc2Bias = ofNorm2 + 3 * width, ofQkvBias = ofFc2Bias + width, ofFc1Bias = ofQkvBias + 3 * width;

            // The MLP.
            var given = slope.contiguous().view(rows, width);
            if (StaysInCache)
            {
                var to = new BlockSums { Norm1 = ofNorm1, Norm2 = ofNorm2, Fc2Bias = ofFc2Bias, QkvBias = ofQkvBias, Fc1Bias = ofFc1Bias };
                return BackwardInCache(given, sums, to);
            }
            var ofFc2 = given.t().mm(activated!);
            BlockKernels.SumRows(At<T>(given), ofFc2Bias, rows, width);
            var wide = given.mm(fc2);
            BlockKernels.Multiply(At<T>(slopes!), At<T>(wide), ofFc1Bias, rows, hidden);
            var ofFc1 = wide.t().mm(normed2!);
            var gradient = empty_like(given); // of the tokens
            BlockKernels.NormBackward(At<T>(attended!), at + 2 * rows, at + 3 * rows, At<T>(gamma2), At<T>(wide.mm(fc1)), At<T>(given), At<T>(gradient), ofNorm2, rows, width);

            // Attention.
            var ofProj = gradient.t().mm(joined!);
            var mixed = empty(pictures * heads, tokens, width / heads, dtype: type);
            AttentionKernels.SplitHeads(At<byte>(gradient.mm(proj)), At<byte>(mixed), pictures, tokens, 1, heads, headBytes);
            var each = apart!.unbind(0);
            var ofShares = mixed.bmm(each[2].transpose(1, 2));
            var ofTogether = empty(rows, 3 * width, dtype: type);
            Join(shares!.transpose(1, 2).bmm(mixed), ofTogether, 2);
            AttentionKernels.SoftmaxBackward(At<T>(shares), At<T>(ofShares), pictures * heads * tokens, tokens, scale);
            Join(ofShares.bmm(each[1]), ofTogether, 0);
            Join(ofShares.transpose(1, 2).bmm(each[0]), ofTogether, 1);
            BlockKernels.SumRows(At<T>(ofTogether), ofQkvBias, rows, 3 * width);
            var ofQkv = ofTogether.t().mm(normed1!);
            BlockKernels.NormBackward(At<T>(input), at, at + rows, At<T>(gamma1), At<T>(ofTogether.mm(qkv)), At<T>(gradient), At<T>(gradient), ofNorm1, rows, width);

            return Gradients(gradient, sums, ofQkv, ofProj, ofFc1, ofFc2);
        }

        public IEnumerable<Tensor> NoGradients() => [zeros(shape, type), .. parts.Tensors.Select(p => zeros_like(p))];

        public void LetGo()
        {
            foreach (var kept in All) kept?.Dispose();
            input = null;
        }

        private Tensor ForwardInCache()
        {
            (attended, joined) = (empty_like(input!), empty_like(input!));
            apart = empty(rows, 3 * width, dtype: type);
            shares = empty(pictures * heads, tokens, Panels.Padded(tokens), dtype: type);
            (slopes, activated) = (empty(rows, hidden, dtype: type), empty(rows, hidden, dtype: type));
            var output = empty_like(input!);
            using (var block = new CachedBlock(parts, tokens)) block.Forward(Places(), At<Bf16>(output), pictures);
            foreach (var kept in All) kept?.DetachFromDisposeScope();
            return output.view(shape);
        }

        private Tensor[] BackwardInCache(Tensor given, Tensor sums, BlockSums to)
        {
            var ofInput = empty_like(given);
            Tensor ofQkv = empty_like(qkv), ofProj = empty_like(proj), ofFc1 = empty_like(fc1), ofFc2 = empty_like(fc2);
            var weights = new BlockWeights { Qkv = At<Bf16>(ofQkv), Proj = At<Bf16>(ofProj), Fc1 = At<Bf16>(ofFc1), Fc2 = At<Bf16>(ofFc2) };
            using (var block = new CachedBlock(parts, tokens)) block.Backward(Places(), At<Bf16>(given), At<Bf16>(ofInput), weights, to, pictures);
            return Gradients(ofInput, sums, ofQkv, ofProj, ofFc1, ofFc2);
        }

        private BlockMemory Places() => new()
        {
            Input = At<Bf16>(input!),
            Statistics = At<float>(statistics!),
            Together = At<Bf16>(apart!),
            Shares = At<Bf16>(shares!),
            Joined = At<Bf16>(joined!),
            Attended = At<Bf16>(attended!),
            Slopes = At<Bf16>(slopes!),
            Activated = At<Bf16>(activated!),
        };

        /// <summary>In the order of the block's input and its parameters; the last thing that a pass does.</summary>
        private Tensor[] Gradients(Tensor ofInput, Tensor sums, Tensor ofQkv, Tensor ofProj, Tensor ofFc1, Tensor ofFc2)
        {
            var typed = sums.to(type);
            Tensor Sum(int place, int length) => typed.narrow(0, place * width, length);
            Tensor[] all =
            [
                ofInput.view(shape), Sum(0, width), Sum(1, width), Sum(3, width), Sum(4, width), // the third sum of the first norm is of the block before
                ofQkv, Sum(7, 3 * width), ofProj, Sum(5, width), ofFc1, Sum(10, hidden), ofFc2, Sum(6, width),
            ];
            LetGo();
            return Array.ConvertAll(all, g => g.MoveToOuterDisposeScope());
        }

        private void Join(Tensor one, Tensor all, int part) =>
            AttentionKernels.JoinHeads(At<byte>(one), At<byte>(all) + (long)part * heads * headBytes, 3L * heads * headBytes, pictures, tokens, heads, headBytes);

        private static T* At<T>(Tensor tensor) where T : unmanaged => (T*)TensorMemory.AddressOf(tensor);
    }
}

/// <summary>A transformer block's parameters and numbers.</summary>
/// <param name="Tensors">Weight and bias of each of norm1, norm2, qkv, proj, fc1 and fc2.</param>
/// <param name="Heads">Attention's.</param>
/// <param name="Epsilon">The norms'.</param>
internal sealed record BlockParts(Tensor[] Tensors, int Heads, float Epsilon);
