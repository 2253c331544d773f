using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Tessera.Models;

/// <summary>Multi-head self-attention.</summary>
/// <remarks>Vaswani et al. 2017 (arXiv:1706.03762), section 3.2; one product makes queries, keys and values, as in timm.</remarks>
public sealed class SelfAttention : Module<Tensor, Tensor>
{
    private readonly Linear qkv, proj;
    private readonly int heads;

    /// <summary>Builds attention of that width, shared equally by that many heads.</summary>
    public SelfAttention(int width, int heads) : base(nameof(SelfAttention))
    {
        this.heads = heads;
        qkv = Linear(width, 3 * width);
        proj = Linear(width, width);
        RegisterComponents();
    }

    /// <param name="tokens">(B, N, D)</param>
    /// <returns>(B, N, D)</returns>
    public override Tensor forward(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        var (batch, count, width) = (tokens.shape[0], tokens.shape[1], tokens.shape[2]);
        var parts = qkv.call(tokens)
            .view(batch, count, 3, heads, width / heads)
            .permute(2, 0, 3, 1, 4)   // (3, B, heads, N, D / heads)
            .unbind(0);
        var attended = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
            .transpose(1, 2)          // (B, N, heads, D / heads)
            .reshape(batch, count, width);
        return proj.call(attended).MoveToOuterDisposeScope();
    }
}
