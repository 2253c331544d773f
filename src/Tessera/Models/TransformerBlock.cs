using Tessera.Models.Fused;
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
    private readonly LayerScale? ls1, ls2;
    private readonly double epsilon;

    /// <summary>Builds a block of that width, number of heads and MLP ratio.</summary>
    public TransformerBlock(int width, int heads, int mlpRatio, double normEpsilon = NormEpsilon, bool layerScale = false) : base(nameof(TransformerBlock))
    {
        epsilon = normEpsilon;
        norm1 = LayerNorm(width, normEpsilon);
        attn = new SelfAttention(width, heads);
        norm2 = LayerNorm(width, normEpsilon);
        mlp = new Mlp(width, mlpRatio * width, width);
        if (layerScale) (ls1, ls2) = (new LayerScale(width), new LayerScale(width));
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
    public override Tensor forward(Tensor tokens) => Scaled(tokens, null, null);

    /// <summary>The same with each picture's branches multiplied by numbers of its own, 0 where it skips them.</summary>
    /// <param name="tokens">(B, N, D)</param>
    /// <param name="attention">(B, 1, 1), of the tokens' number format; null: 1</param>
    /// <param name="perceptron">(B, 1, 1): of the MLP</param>
    /// <returns>(B, N, D)</returns>
    internal Tensor Scaled(Tensor tokens, Tensor? attention, Tensor? perceptron)
    {
        if (FusedBlock.IsWanted && ls1 is null && attention is null && perceptron is null && Parts is var parts && FusedBlock.Suits(tokens, parts))
            return FusedBlock.Apply(tokens, parts);
        using var scope = NewDisposeScope();
        var attended = Times(ls1, attention, attn.call(norm1.call(tokens))).PlusInPlace(tokens); // in place: a branch's end is needed by nobody else
        return Times(ls2, perceptron, mlp.call(norm2.call(attended))).PlusInPlace(attended).MoveToOuterDisposeScope();
    }

    private BlockParts Parts => new(
        [norm1.weight!, norm1.bias!, norm2.weight!, norm2.bias!, .. attn.Linears.Concat(mlp.Linears).SelectMany(l => new Tensor[] { l.weight!, l.bias! })], attn.Heads, (float)epsilon);

    private static Tensor Times(LayerScale? scale, Tensor? path, Tensor branch)
    {
        var scaled = scale?.call(branch) ?? branch;
        return path is null ? scaled : scaled.mul_(path);
    }

    /// <summary>Multiplies a branch's end by a learned number a channel, small at first, so that deep models begin as shallow ones.</summary>
    /// <remarks>Touvron et al. 2021 (arXiv:2103.17239), section 2; begins at DINOv2's 1e-5.</remarks>
    private sealed class LayerScale : Module<Tensor, Tensor>
    {
        private readonly Parameter gamma; // (D)

        public LayerScale(int width) : base(nameof(LayerScale))
        {
            gamma = new Parameter(zeros(width));
            RegisterComponents();
        }

        public override Tensor forward(Tensor tokens) => tokens.mul(gamma);
    }
}
