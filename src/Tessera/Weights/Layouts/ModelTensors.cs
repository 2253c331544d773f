using Tessera.Models;

namespace Tessera.Weights.Layouts;

/// <summary>The names and shapes of a model's tensors, told from its description alone: no model is built, and libtorch not loaded.</summary>
internal static class ModelTensors
{
    /// <summary>Those of an encoder and, where it has one, its decoder; tables of positions among them, learned or not.</summary>
    public static IEnumerable<(string Name, long[] Shape)> Of(ModelDescription description) => OfEncoder(description.Encoder).Concat(OfDecoder(description));

    /// <summary>Those of an encoder.</summary>
    public static IEnumerable<(string Name, long[] Shape)> OfEncoder(VisionTransformerOptions encoder)
    {
        long width = encoder.Width, patch = encoder.PatchSize;
        if (encoder.ClassToken) yield return ("encoder.cls_token", [1, 1, width]);
        if (encoder.RegisterTokens > 0) yield return ("encoder.register_tokens", [1, encoder.RegisterTokens, width]);
        yield return ("encoder.pos_embed", [1, encoder.PositionCount, width]);
        yield return ("encoder.patch_embed.proj.weight", [width, encoder.Channels, patch, patch]);
        yield return ("encoder.patch_embed.proj.bias", [width]);
        foreach (var tensor in Blocks("encoder.blocks", encoder.Depth, width, encoder.MlpRatio, encoder.LayerScale)) yield return tensor;
        foreach (var tensor in Norm("encoder.norm", width)) yield return tensor;
    }

    /// <summary>Those of a decoder and its mask tokens; none where there is no decoder.</summary>
    public static IEnumerable<(string Name, long[] Shape)> OfDecoder(ModelDescription description)
    {
        if (description.Reconstruction is not { } head) yield break;
        var encoder = description.Encoder;
        long width = encoder.Width, decoder = head.DecoderWidth;
        var isBefore = head.Placement == MaskPlacement.Encoder; // where mask tokens join; an MLP then stands in for a linear layer
        yield return ("mask_tokens.weight", [head.MaskTokens, isBefore ? width : decoder]);
        foreach (var tensor in isBefore ? Mlp("decoder_embed", width, width, decoder) : Linear("decoder_embed", width, decoder)) yield return tensor;
        if (!isBefore) yield return ("decoder_pos_embed", [1, encoder.PositionCount, decoder]);
        foreach (var tensor in Blocks("decoder_blocks", head.DecoderDepth, decoder, encoder.MlpRatio, layerScale: false)) yield return tensor;
        foreach (var tensor in Norm("decoder_norm", decoder)) yield return tensor;
        foreach (var tensor in isBefore ? Mlp("decoder_pred", decoder, decoder, encoder.PatchValues) : Linear("decoder_pred", decoder, encoder.PatchValues)) yield return tensor;
    }

    /// <summary>Those of a classifier's layer.</summary>
    public static IEnumerable<(string Name, long[] Shape)> OfClasses(ClassHead classes, VisionTransformerOptions encoder)
    {
        long count = classes.Names.Count;
        foreach (var tensor in Linear(ModelFile.HeadPrefix.TrimEnd('.'), encoder.Width, count)) yield return tensor;
        if (classes.Familiarity is not null) yield return (ModelFile.ClassMeans, [count, encoder.Width]);
    }

    /// <summary>Whether a tensor is a table of positions, which is not learned where they are sines and cosines.</summary>
    public static bool IsPositions(string name) => name.EndsWith("pos_embed", StringComparison.Ordinal);

    private static IEnumerable<(string, long[])> Blocks(string name, int depth, long width, long ratio, bool layerScale)
    {
        for (var i = 0; i < depth; i++)
        {
            var block = $"{name}.{i}";
            foreach (var tensor in Norm($"{block}.norm1", width)) yield return tensor;
            foreach (var tensor in Linear($"{block}.attn.qkv", width, 3 * width)) yield return tensor;
            foreach (var tensor in Linear($"{block}.attn.proj", width, width)) yield return tensor;
            foreach (var tensor in Norm($"{block}.norm2", width)) yield return tensor;
            foreach (var tensor in Mlp($"{block}.mlp", width, ratio * width, width)) yield return tensor;
            if (!layerScale) continue;
            yield return ($"{block}.ls1.gamma", [width]);
            yield return ($"{block}.ls2.gamma", [width]);
        }
    }

    private static IEnumerable<(string, long[])> Mlp(string name, long inputs, long hidden, long outputs) => Linear($"{name}.fc1", inputs, hidden).Concat(Linear($"{name}.fc2", hidden, outputs));

    private static IEnumerable<(string, long[])> Linear(string name, long inputs, long outputs) => [($"{name}.weight", [outputs, inputs]), ($"{name}.bias", [outputs])];

    private static IEnumerable<(string, long[])> Norm(string name, long width) => [($"{name}.weight", [width]), ($"{name}.bias", [width])];
}
