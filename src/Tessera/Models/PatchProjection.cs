using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Tessera.Models;

/// <summary>Projects patches into the embedding space: a convolution whose stride is its size, computed as one matrix product.</summary>
/// <remarks>The weight keeps the convolution's shape (D, C, p, p), so that checkpoints of ViT, timm and MAE fit as they are.</remarks>
public sealed class PatchProjection : Module<Tensor, Tensor>
{
    private readonly ConvolutionWeight proj;

    /// <summary>Builds the projection for the given model.</summary>
    public PatchProjection(VisionTransformerOptions options) : base(nameof(PatchProjection))
    {
        proj = new ConvolutionWeight(options.Width, options.Channels, options.PatchSize);
        RegisterComponents();
    }

    /// <param name="patches">(B, n, p·p·C), values in the order row, column, channel</param>
    /// <returns>(B, n, D)</returns>
    public override Tensor forward(Tensor patches) => proj.call(patches);

    /// <summary>Holds <c>proj.weight</c> and <c>proj.bias</c>.</summary>
    private sealed class ConvolutionWeight : Module<Tensor, Tensor>
    {
        private readonly Parameter weight, bias;

        public ConvolutionWeight(int width, int channels, int patchSize) : base(nameof(ConvolutionWeight))
        {
            weight = new Parameter(zeros(width, channels, patchSize, patchSize));
            bias = new Parameter(zeros(width));
            RegisterComponents();
        }

        public override Tensor forward(Tensor patches)
        {
            using var scope = NewDisposeScope();
            var matrix = weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1); // (D, p·p·C), as patches are ordered
            return functional.linear(patches.to(weight.dtype), matrix, bias).MoveToOuterDisposeScope();
        }
    }
}
