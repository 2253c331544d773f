using System.Globalization;
using Tessera.Models;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Features;

/// <summary>What of an encoder's output a picture's vector is.</summary>
/// <param name="Pooling">How its tokens become one vector.</param>
/// <param name="Layer">After how many blocks, from 1; null: after the last. All are normalised by the encoder's last norm.</param>
public sealed record FeatureKind(Pooling Pooling = Pooling.Mean, int? Layer = null)
{
    /// <summary>The mean of the last layer's patch tokens, by which models are compared.</summary>
    public static FeatureKind Standard { get; } = new();

    /// <summary>D: the values of a vector.</summary>
    public int Width(VisionTransformerOptions encoder)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        return Pooling switch { Pooling.Both => 2 * encoder.Width, Pooling.Patches => encoder.PatchCount * encoder.Width, _ => encoder.Width };
    }

    /// <summary>Refuses what an encoder does not have.</summary>
    /// <exception cref="OptionsException">It has no class token, or fewer blocks.</exception>
    public void Require(VisionTransformerOptions encoder)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        var faults = new List<string>();
        if (Pooling is Pooling.Class or Pooling.Both && !encoder.ClassToken) faults.Add("the model has no class token: pool by the mean, or take the patches");
        if (Layer is { } layer && (layer < 1 || layer > encoder.Depth)) faults.Add($"the layer is {layer}, and the model has the layers 1 to {encoder.Depth}");
        if (faults.Count > 0) throw new OptionsException(faults);
    }

    /// <summary>The vectors of pictures.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="images">(B, C, H, W), standardised</param>
    /// <returns>(B, <see cref="Width"/>), fp32</returns>
    internal Tensor Of(VisionTransformer encoder, Tensor images)
    {
        using var scope = NewDisposeScope();
        var tokens = encoder.AfterBlocks(images, Layer ?? encoder.Options.Depth);
        var count = encoder.Options.PatchCount;
        var vectors = Pooling switch
        {
            Pooling.Mean => encoder.MeanToken(tokens, count),
            Pooling.Class => First(),
            Pooling.Both => cat([First(), encoder.MeanToken(tokens, count)], dim: 1),
            Pooling.Patches => tokens.narrow(1, encoder.Options.ClassToken ? 1 : 0, count).flatten(1).to(ScalarType.Float32), // (B, N·D)
            _ => throw new ArgumentOutOfRangeException(nameof(encoder), Pooling, "There is no such pooling."),
        };
        return vectors.MoveToOuterDisposeScope();

        Tensor First() => tokens.select(1, 0).to(ScalarType.Float32); // (B, D)
    }

    /// <summary>In words, by which vectors are known: <c>mean of the last layer's patch tokens</c>.</summary>
    public override string ToString()
    {
        var layer = Layer is { } number ? string.Create(CultureInfo.InvariantCulture, $"layer {number}") : "the last layer";
        return Pooling switch
        {
            Pooling.Mean => $"mean of {layer}'s patch tokens",
            Pooling.Class => $"class token of {layer}",
            Pooling.Both => $"class token of {layer}, and mean of its patch tokens",
            _ => $"patch tokens of {layer}",
        };
    }
}

/// <summary>How tokens become one vector.</summary>
public enum Pooling
{
    /// <summary>The mean of the patch tokens.</summary>
    Mean,

    /// <summary>The class token.</summary>
    Class,

    /// <summary>The class token, then the mean.</summary>
    Both,

    /// <summary>All patch tokens, in raster order.</summary>
    Patches,
}
