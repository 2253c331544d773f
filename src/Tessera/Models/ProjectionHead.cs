using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Tessera.Models;

/// <summary>Takes embeddings to where views are compared; dropped after training.</summary>
/// <remarks>
/// Three layers as in MoCo v3 (Chen et al. 2021, arXiv:2104.02057), narrower as the encoders are. Norms over the batch have no scale and keep no
/// averages: they are never used but in training, on whole batches.
/// </remarks>
public sealed class ProjectionHead : Module<Tensor, Tensor>
{
    /// <summary>Width of the two hidden layers.</summary>
    public const int HiddenWidth = 1024;

    /// <summary>Width K of what is compared.</summary>
    public const int OutputWidth = 128;

    /// <summary>What a model that is being trained calls it.</summary>
    internal const string Name = "projector";

    private readonly Linear fc1, fc2, fc3;
    private readonly BatchNorm1d norm1, norm2;

    /// <summary>Builds the head and draws its weights.</summary>
    /// <param name="width">D, the encoder's.</param>
    /// <param name="seed">The weights are a function of this.</param>
    public ProjectionHead(int width, ulong seed) : base(nameof(ProjectionHead))
    {
        fc1 = Linear(width, HiddenWidth, hasBias: false); // a norm takes away what a bias adds
        norm1 = BatchNorm1d(HiddenWidth, affine: false, track_running_stats: false);
        fc2 = Linear(HiddenWidth, HiddenWidth, hasBias: false);
        norm2 = BatchNorm1d(HiddenWidth, affine: false, track_running_stats: false);
        fc3 = Linear(HiddenWidth, OutputWidth, hasBias: false);
        RegisterComponents();
        WeightInitialization.Draw(this, seed);
    }

    /// <param name="embeddings">(n, D), fp32: all that are compared, since norms are over them</param>
    /// <returns>(n, K)</returns>
    public override Tensor forward(Tensor embeddings)
    {
        using var scope = NewDisposeScope();
        var hidden = functional.gelu(norm1.call(fc1.call(embeddings)));            // (n, 1024)
        hidden = functional.gelu(norm2.call(fc2.call(hidden)));                    // (n, 1024)
        return fc3.call(hidden).MoveToOuterDisposeScope();
    }
}
