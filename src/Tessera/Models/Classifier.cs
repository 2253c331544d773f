using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Tessera.Models;

/// <summary>A Vision Transformer that names pictures: an encoder, and a linear layer on what stands for a picture.</summary>
/// <remarks>As fine-tuned in He et al. 2022 (arXiv:2111.06377), section A.1, but that the encoder's own last norm stays before the pooling. The layer computes in fp32.</remarks>
public sealed class Classifier : Module<Tensor, Tensor>
{
    private const double HeadDeviation = 2e-5; // MAE's: the first answers are even, and the first gradients do not spoil what the encoder knows

    private readonly VisionTransformer encoder;
    private readonly Linear head;

    /// <summary>Builds a classifier and draws its weights.</summary>
    /// <param name="options">The encoder's shape.</param>
    /// <param name="pooling">What stands for a picture.</param>
    /// <param name="classes">K, at least 1.</param>
    /// <param name="seed">The weights are a function of this.</param>
    /// <exception cref="ArgumentException">The encoder cannot be built, or has no class token to pool by.</exception>
    public Classifier(VisionTransformerOptions options, ClassPooling pooling, int classes, ulong seed = 0) : base(nameof(Classifier))
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 1);
        if (pooling == ClassPooling.Class && !options.ClassToken) throw new ArgumentException("the encoder has no class token to classify by: pool by the mean", nameof(pooling));
        (Pooling, Classes) = (pooling, classes);
        encoder = new VisionTransformer(options);
        head = Linear(options.Width, classes);
        RegisterComponents();
        WeightInitialization.Draw(this, seed);
        WeightInitialization.DrawNormal(head.weight!, "head.weight", HeadDeviation, seed);
    }

    /// <summary>The encoder.</summary>
    public VisionTransformer Encoder => encoder;

    /// <summary>What stands for a picture.</summary>
    public ClassPooling Pooling { get; }

    /// <summary>K</summary>
    public int Classes { get; }

    /// <summary>Gives the linear layer its values.</summary>
    /// <param name="weight">(K, D), row by row</param>
    /// <param name="bias">(K)</param>
    internal void FillHead(float[] weight, float[] bias)
    {
        using var quiet = no_grad();
        using Tensor drawn = tensor(weight, head.weight!.shape), shift = tensor(bias);
        head.weight.copy_(drawn);
        head.bias!.copy_(shift);
    }

    /// <param name="images">(B, C, H, W), normalised as in training</param>
    /// <returns>(B, K), fp32: logits</returns>
    public override Tensor forward(Tensor images)
    {
        using var scope = NewDisposeScope();
        return Logits(Pool(encoder.call(images))).MoveToOuterDisposeScope();
    }

    /// <summary>What stands for a picture.</summary>
    /// <param name="encoded">(B, [1 +] N, D), as the encoder gives them</param>
    /// <returns>(B, D), fp32</returns>
    public Tensor Pool(Tensor encoded)
    {
        using var scope = NewDisposeScope();
        var pooled = Pooling == ClassPooling.Class ? encoded.select(1, 0).to(ScalarType.Float32) : encoder.MeanToken(encoded, encoder.Options.PatchCount);
        return pooled.MoveToOuterDisposeScope();
    }

    /// <summary>The linear layer.</summary>
    /// <param name="pooled">(B, D), fp32</param>
    /// <returns>(B, K), fp32</returns>
    public Tensor Logits(Tensor pooled)
    {
        using var scope = NewDisposeScope();
        return functional.linear(pooled, head.weight!.to(ScalarType.Float32), head.bias!.to(ScalarType.Float32)).MoveToOuterDisposeScope();
    }

    /// <summary>How like the nearest class pictures are.</summary>
    /// <param name="pooled">(B, D), fp32: what stands for each picture</param>
    /// <param name="means">(K, D), of length 1: what stands for each class</param>
    /// <returns>(B), fp32: the largest cosine</returns>
    public static Tensor Similarity(Tensor pooled, Tensor means)
    {
        ArgumentNullException.ThrowIfNull(means);
        using var scope = NewDisposeScope();
        return functional.normalize(pooled, dim: 1).matmul(means.t()).amax([1]).MoveToOuterDisposeScope();
    }
}

/// <summary>What stands for a picture where it is classified.</summary>
public enum ClassPooling
{
    /// <summary>The mean of the patch tokens.</summary>
    Mean,

    /// <summary>The class token.</summary>
    Class,
}
