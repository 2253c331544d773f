using Tessera.Runtime;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Tessera.Models;

/// <summary>Multi-head self-attention.</summary>
/// <remarks>Vaswani et al. 2017 (arXiv:1706.03762), section 3.2; one product makes queries, keys and values, as in timm.</remarks>
public sealed class SelfAttention : Module<Tensor, Tensor>
{
    // On a CPU, libtorch's fused attention makes a small product a picture and head. Up to about this many tokens it is faster to make all of
    // them as one, though the attention weights are then in memory.
    private const int LongestAtOnce = 256;

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

    /// <summary>Heads.</summary>
    internal int Heads => heads;

    /// <summary>The layers, in their order.</summary>
    internal Linear[] Linears => [qkv, proj];

    /// <param name="tokens">(B, N, D)</param>
    /// <returns>(B, N, D)</returns>
    public override Tensor forward(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        var (batch, count, width) = (tokens.shape[0], tokens.shape[1], tokens.shape[2]);
        var parts = qkv.call(tokens)
            .view(batch, count, 3, heads, width / heads)
            .permute(2, 0, 3, 1, 4); // (3, B, heads, N, D / heads)
        return proj.call(Attend(parts)
                .transpose(1, 2)     // (B, N, heads, D / heads)
                .reshape(batch, count, width))
            .MoveToOuterDisposeScope();
    }

    /// <summary>How much each token takes from each other: what <see cref="forward"/> weighs values by.</summary>
    /// <param name="tokens">(B, N, D)</param>
    /// <returns>(B, heads, N, N), fp32; each row sums to 1</returns>
    public Tensor Weights(Tensor tokens)
    {
        using var scope = NewDisposeScope();
        var (batch, count, width) = (tokens.shape[0], tokens.shape[1], tokens.shape[2]);
        var parts = qkv.call(tokens).to(ScalarType.Float32).view(batch, count, 3, heads, width / heads).permute(2, 0, 3, 1, 4); // (3, B, heads, N, D / heads)
        return parts[0].Times(1 / Math.Sqrt(width / heads)).matmul(parts[1].transpose(-2, -1)).softmax(-1).MoveToOuterDisposeScope();
    }

    /// <param name="parts">(3, B, heads, N, D / heads): queries, keys, values</param>
    /// <returns>(B, heads, N, D / heads)</returns>
    private static Tensor Attend(Tensor parts)
    {
        var (batch, heads, count, headWidth) = (parts.shape[1], parts.shape[2], parts.shape[3], parts.shape[4]);
        if (parts.device.type != DeviceType.CPU || count > LongestAtOnce)
        {
            var apart = parts.unbind(0);
            return functional.scaled_dot_product_attention(apart[0], apart[1], apart[2]);
        }
        var flat = parts.reshape(3, batch * heads, count, headWidth).unbind(0); // (B · heads, N, D / heads)
        var weights = flat[0].Times(1 / Math.Sqrt(headWidth)).bmm(flat[1].transpose(1, 2)).softmax(-1); // (B · heads, N, N)
        return weights.bmm(flat[2]).view(batch, heads, count, headWidth);
    }
}
