using Tessera.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Tessera.Models;

/// <summary>Pre-norm transformer block: self-attention, then an MLP, each on a residual branch.</summary>
/// <remarks>Dosovitskiy et al. 2021 (arXiv:2010.11929), equations 2 and 3.</remarks>
public sealed class TransformerBlock : Module<Tensor, Tensor>
{
    /// <summary>MAE's and timm's value; torch's default is 1e-5.</summary>
    internal const double NormEpsilon = 1e-6;

    private readonly LayerNorm norm1, norm2;
    private readonly SelfAttention attn;
    private readonly Mlp mlp;

    /// <summary>Builds a block of that width, number of heads and MLP ratio.</summary>
    public TransformerBlock(int width, int heads, int mlpRatio) : base(nameof(TransformerBlock))
    {
        norm1 = LayerNorm(width, NormEpsilon);
        attn = new SelfAttention(width, heads);
        norm2 = LayerNorm(width, NormEpsilon);
        mlp = new Mlp(width, mlpRatio * width, width);
        RegisterComponents();
    }

    /// <summary>See <see cref="SelfAttention.Weights"/>.</summary>
    /// <param name="tokens">(B, N, D)</param>
    /// <returns>(B, heads, N, N)</returns>
    public Tensor Attention(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        return attn.Weights(norm1.call(tokens)).MoveToOuterDisposeScope();
    }

    /// <param name="tokens">(B, N, D)</param>
    /// <returns>(B, N, D)</returns>
    public override Tensor forward(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        var attended = attn.call(norm1.call(tokens)).PlusInPlace(tokens); // in place: a branch's end is needed by nobody else
        return mlp.call(norm2.call(attended)).PlusInPlace(attended).MoveToOuterDisposeScope();
    }
}
