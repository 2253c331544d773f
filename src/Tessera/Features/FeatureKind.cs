using System.Globalization;
using Tessera.Models;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Features;

/// <summary>What of an encoder's output a picture's vector is.</summary>
public sealed class FeatureKind
{
    private readonly int[] layers;

    /// <param name="pooling">How tokens become one vector.</param>
    /// <param name="layers">After how many blocks, from 1, each normalised by the encoder's last norm; several stand side by side in the vector. None: after the last.</param>
    public FeatureKind(Pooling pooling = Pooling.Mean, params IReadOnlyList<int> layers)
    {
        ArgumentNullException.ThrowIfNull(layers);
        (Pooling, this.layers) = (pooling, [.. layers]);
    }

    /// <summary>The mean of the last layer's patch tokens, by which models are compared.</summary>
    public static FeatureKind Standard { get; } = new();

    /// <summary>What a classifier takes for a picture.</summary>
    internal static FeatureKind Of(ClassPooling pooling) => pooling == ClassPooling.Class ? new FeatureKind(Pooling.Class) : Standard;

    /// <summary>How tokens become one vector.</summary>
    public Pooling Pooling { get; }

    /// <summary>After how many blocks; empty: after the last.</summary>
    public IReadOnlyList<int> Layers => layers;

    /// <summary>D: the values of a vector.</summary>
    public int Width(VisionTransformerOptions encoder)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        var ofLayer = Pooling switch { Pooling.Both => 2 * encoder.Width, Pooling.Patches => encoder.PatchCount * encoder.Width, _ => encoder.Width };
        return Math.Max(1, layers.Length) * ofLayer;
    }

    /// <summary>Refuses what an encoder does not have.</summary>
    /// <exception cref="OptionsException">It has no class token, or fewer blocks.</exception>
    public void Require(VisionTransformerOptions encoder)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        var faults = new List<string>();
        if (Pooling is Pooling.Class or Pooling.Both && !encoder.ClassToken) faults.Add("the model has no class token: pool by the mean, or take the patches");
        faults.AddRange(layers.Where(layer => layer < 1 || layer > encoder.Depth).Select(layer => $"the layer is {layer}, and the model has the layers 1 to {encoder.Depth}"));
        if (faults.Count > 0) throw new OptionsException(faults);
    }

    /// <summary>The vectors of pictures.</summary>
    /// <param name="encoder">The encoder.</param>
    /// <param name="images">(B, C, H, W), standardised</param>
    /// <returns>(B, <see cref="Width"/>), fp32</returns>
    internal Tensor Of(VisionTransformer encoder, Tensor images)
    {
        using var scope = NewDisposeScope();
        var tokens = encoder.AfterBlocks(images, layers.Length > 0 ? layers : [encoder.Options.Depth]);
        var vectors = tokens.Select(layer => Pooled(encoder, layer)).ToList();
        return (vectors.Count == 1 ? vectors[0] : cat(vectors, dim: 1)).MoveToOuterDisposeScope();
    }

    private Tensor Pooled(VisionTransformer encoder, Tensor tokens)
    {
        var count = encoder.Options.PatchCount;
        return Pooling switch
        {
            Pooling.Mean => encoder.MeanToken(tokens, count),
            Pooling.Class => First(),
            Pooling.Both => cat([First(), encoder.MeanToken(tokens, count)], dim: 1),
            _ => tokens.narrow(1, encoder.Options.ClassToken ? 1 : 0, count).flatten(1).to(ScalarType.Float32), // (B, N·D)
        };

        Tensor First() => tokens.select(1, 0).to(ScalarType.Float32); // (B, D)
    }

    /// <summary>In words, by which vectors are known: <c>mean of the last layer's patch tokens</c>.</summary>
    public override string ToString() => Pooling switch
    {
        Pooling.Mean => $"mean of {Where}'s patch tokens",
        Pooling.Class => $"class token of {Where}",
        Pooling.Both => $"class token of {Where}, and mean of its patch tokens",
        _ => $"patch tokens of {Where}",
    };

    /// <summary>The layers in words.</summary>
    internal string Where => layers.Length == 0 ? "the last layer"
        : $"{(layers.Length == 1 ? "layer" : "layers")} {string.Join(" and ", layers.Select(layer => layer.ToString(CultureInfo.InvariantCulture)))}";
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
