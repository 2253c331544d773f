using Tessera.Weights;

namespace Tessera.Tests.Weights.Layouts;

/// <summary>Random weights under another project's names, and the files that hold them.</summary>
internal sealed class NamedTensors
{
    private readonly Random random = new(5);
    private readonly OrderedDictionary<string, (long[] Shape, float[] Values)> tensors = [];

    public IEnumerable<string> Names => tensors.Keys;

    /// <summary>Values of a tensor; the reference computes by these.</summary>
    public float[] this[string name] => tensors[name].Values;

    public bool Has(string name) => tensors.ContainsKey(name);

    public NamedTensors Add(string name, params long[] shape)
    {
        var values = new float[shape.Aggregate(1L, (p, s) => p * s)];
        for (var i = 0; i < values.Length; i++) values[i] = (float)(random.NextDouble() - 0.5);
        return Set(name, shape, values);
    }

    public NamedTensors Set(string name, long[] shape, float[] values)
    {
        tensors[name] = (shape, values);
        return this;
    }

    public NamedTensors Remove(string name)
    {
        tensors.Remove(name);
        return this;
    }

    /// <summary>A linear layer or a norm.</summary>
    public NamedTensors Layer(string name, params long[] shape) => Add($"{name}.weight", shape).Add($"{name}.bias", shape[0]);

    public IReadOnlyList<SafetensorsTensor> ForFile(string prefix = "") =>
        [.. tensors.Select(t => SafetensorsTensor.FromMemory(prefix + t.Key, t.Value.Shape, t.Value.Values))];

    public const int Width = 16, Hidden = 64, Patch = 4, Side = 4, Channels = 3, Heads = 4, Depth = 2, DecoderWidth = 8, DecoderHeads = 2;

    /// <summary>An encoder under the names of timm's ViT, which MAE's and DINOv2's are too.</summary>
    public static NamedTensors Native(bool classToken = true, int places = Side * Side + 1, bool layerScale = false, string? registers = null, int registerTokens = 3)
    {
        var made = new NamedTensors();
        if (classToken) made.Add("cls_token", 1, 1, Width);
        if (registers is not null) made.Add(registers, 1, registerTokens, Width);
        made.Add("pos_embed", 1, places, Width).Layer("patch_embed.proj", Width, Channels, Patch, Patch);
        for (var i = 0; i < Depth; i++) made.Block($"blocks.{i}", Width, Hidden, layerScale);
        return made.Layer("norm", Width);
    }

    /// <summary>MAE's encoder and decoder.</summary>
    public static NamedTensors Mae()
    {
        var made = Native().Add("mask_token", 1, 1, DecoderWidth).Layer("decoder_embed", DecoderWidth, Width).Add("decoder_pos_embed", 1, Side * Side + 1, DecoderWidth);
        made.Block("decoder_blocks.0", DecoderWidth, 4 * DecoderWidth, layerScale: false);
        return made.Layer("decoder_norm", DecoderWidth).Layer("decoder_pred", Patch * Patch * Channels, DecoderWidth);
    }

    /// <summary>Hugging Face's ViT, with what stands before its names, and its DINOv2 with registers.</summary>
    public static NamedTensors HuggingFace(string prefix, bool dino = false)
    {
        var made = new NamedTensors().Add($"{prefix}embeddings.cls_token", 1, 1, Width).Add($"{prefix}embeddings.position_embeddings", 1, Side * Side + 1, Width);
        if (dino) made.Add($"{prefix}embeddings.register_tokens", 1, 3, Width).Add($"{prefix}embeddings.mask_token", 1, Width);
        made.Layer($"{prefix}embeddings.patch_embeddings.projection", Width, Channels, Patch, Patch);
        for (var i = 0; i < Depth; i++) made.HuggingFaceBlock($"{prefix}encoder.layer.{i}", Width, Hidden, dino);
        return made.Layer($"{prefix}layernorm", Width);
    }

    /// <summary>Hugging Face's ViTMAEForPreTraining.</summary>
    public static NamedTensors HuggingFaceMae()
    {
        var made = HuggingFace("vit.").Add("decoder.mask_token", 1, 1, DecoderWidth).Layer("decoder.decoder_embed", DecoderWidth, Width).Add("decoder.decoder_pos_embed", 1, Side * Side + 1, DecoderWidth);
        made.HuggingFaceBlock("decoder.decoder_layers.0", DecoderWidth, 4 * DecoderWidth, dino: false);
        return made.Layer("decoder.decoder_norm", DecoderWidth).Layer("decoder.decoder_pred", Patch * Patch * Channels, DecoderWidth);
    }

    private void Block(string name, long width, long hidden, bool layerScale)
    {
        Layer($"{name}.norm1", width).Layer($"{name}.attn.qkv", 3 * width, width).Layer($"{name}.attn.proj", width, width).Layer($"{name}.norm2", width);
        Layer($"{name}.mlp.fc1", hidden, width).Layer($"{name}.mlp.fc2", width, hidden);
        if (layerScale) Add($"{name}.ls1.gamma", width).Add($"{name}.ls2.gamma", width);
    }

    private void HuggingFaceBlock(string name, long width, long hidden, bool dino)
    {
        Layer($"{name}.{(dino ? "norm1" : "layernorm_before")}", width).Layer($"{name}.{(dino ? "norm2" : "layernorm_after")}", width);
        foreach (var part in new[] { "query", "key", "value" }) Layer($"{name}.attention.attention.{part}", width, width);
        Layer($"{name}.attention.output.dense", width, width);
        Layer(dino ? $"{name}.mlp.fc1" : $"{name}.intermediate.dense", hidden, width).Layer(dino ? $"{name}.mlp.fc2" : $"{name}.output.dense", width, hidden);
        if (dino) Add($"{name}.layer_scale1.lambda1", width).Add($"{name}.layer_scale2.lambda1", width);
    }
}
