namespace Tessera.Weights.Layouts;

/// <summary>How another project names and cuts a Vision Transformer's tensors: one table, which import reads from right to left and export from left to right.</summary>
/// <param name="Name">The project, in words.</param>
/// <param name="Inner">What stands before the encoder's names where the file holds more than the encoder; empty: nothing.</param>
/// <param name="Names">The table. <c>{i}</c> is a block's number.</param>
/// <param name="LeftOut">Beginnings of names that this encoder has no use for: heads, and what training alone needs.</param>
/// <remarks>
/// Read in facebookresearch/mae (<c>models_mae.py</c>), timm (<c>vision_transformer.py</c>), facebookresearch/dinov2 (<c>vision_transformer.py</c>) and Hugging Face's
/// transformers (<c>modeling_vit.py</c>, <c>modeling_vit_mae.py</c>, <c>modeling_dinov2.py</c>, <c>modeling_dinov2_with_registers.py</c>).
/// </remarks>
internal sealed record TensorLayout(string Name, string Inner, IReadOnlyList<TensorName> Names, IReadOnlyList<string> LeftOut)
{
    /// <summary>The weight whose name tells layouts apart, and whose shape tells width, channels and patch.</summary>
    public const string Projection = "encoder.patch_embed.proj.weight";

    private static readonly string[] Norms = ["weight", "bias"];

    private static readonly string[] BlockLayers = ["norm1", "attn.qkv", "attn.proj", "norm2", "mlp.fc1", "mlp.fc2"];

    private static readonly IReadOnlyList<TensorName> Mae =
    [
        .. Native("register_tokens"),
        new("mask_tokens.weight", "mask_token"),
        .. Layer("decoder_embed", "decoder_embed"),
        new("decoder_pos_embed", "decoder_pos_embed"),
        .. NativeBlock("decoder_blocks.{i}", "decoder_blocks.{i}"),
        .. Layer("decoder_norm", "decoder_norm"),
        .. Layer("decoder_pred", "decoder_pred"),
    ];

    private static readonly IReadOnlyList<TensorName> HuggingFaceMae =
    [
        .. HuggingFaceEncoder(),
        new("mask_tokens.weight", "decoder.mask_token"),
        .. Layer("decoder_embed", "decoder.decoder_embed"),
        new("decoder_pos_embed", "decoder.decoder_pos_embed"),
        .. HuggingFaceBlock("decoder_blocks.{i}", "decoder.decoder_layers.{i}"),
        .. Layer("decoder_norm", "decoder.decoder_norm"),
        .. Layer("decoder_pred", "decoder.decoder_pred"),
    ];

    public static TensorLayout OfMae { get; } = new("facebookresearch/mae", "", Mae, ["head."]);

    public static TensorLayout OfTimm { get; } = new("timm", "", Native("reg_token"), ["head.", "pre_logits."]);

    public static TensorLayout OfDinoV2 { get; } = new("facebookresearch/dinov2", "", Native("register_tokens"), ["mask_token", "head.", "linear_head."]);

    public static TensorLayout OfHuggingFaceMae { get; } = new("Hugging Face ViTMAE", "vit.", HuggingFaceMae, []);

    public static TensorLayout OfHuggingFaceVit { get; } = new("Hugging Face ViT", "vit.", HuggingFaceEncoder(), ["pooler.", "classifier.", "embeddings.mask_token", "decoder."]);

    public static TensorLayout OfHuggingFaceDinoV2 { get; } = new("Hugging Face DINOv2", "dinov2.", HuggingFaceDino(), ["embeddings.mask_token", "classifier."]);

    /// <summary>The table's row of one of our tensors, with its block's number put in; null: the layout has none.</summary>
    public TensorName? Find(string ours)
    {
        var parts = ours.Split('.');
        var number = parts.FirstOrDefault(p => p.Length > 0 && p.All(char.IsAsciiDigit));
        var pattern = number is null ? ours : string.Join('.', parts.Select(p => ReferenceEquals(p, number) ? "{i}" : p));
        return Names.FirstOrDefault(n => n.Ours == pattern) is not { } row ? null
            : new TensorName(ours, [.. row.Theirs.Select(t => number is null ? t : t.Replace("{i}", number, StringComparison.Ordinal))]);
    }

    private static IReadOnlyList<TensorName> Native(string registers) =>
    [
        new("encoder.cls_token", "cls_token"),
        new("encoder.register_tokens", registers),
        new("encoder.pos_embed", "pos_embed"),
        .. Layer("encoder.patch_embed.proj", "patch_embed.proj"),
        .. NativeBlock("encoder.blocks.{i}", "blocks.{i}"),
        new("encoder.blocks.{i}.ls1.gamma", "blocks.{i}.ls1.gamma"),
        new("encoder.blocks.{i}.ls2.gamma", "blocks.{i}.ls2.gamma"),
        .. Layer("encoder.norm", "norm"),
    ];

    private static IEnumerable<TensorName> NativeBlock(string ours, string theirs) =>
        BlockLayers.SelectMany(l => Layer($"{ours}.{l}", $"{theirs}.{l}"));

    private static IReadOnlyList<TensorName> HuggingFaceEncoder() =>
    [
        .. HuggingFaceEmbeddings(),
        .. HuggingFaceBlock("encoder.blocks.{i}", "encoder.layer.{i}"),
        .. Layer("encoder.norm", "layernorm"),
    ];

    private static IEnumerable<TensorName> HuggingFaceEmbeddings() =>
    [
        new("encoder.cls_token", "embeddings.cls_token"),
        new("encoder.pos_embed", "embeddings.position_embeddings"),
        .. Layer("encoder.patch_embed.proj", "embeddings.patch_embeddings.projection"),
    ];

    private static IEnumerable<TensorName> HuggingFaceBlock(string ours, string theirs) =>
    [
        .. Layer($"{ours}.norm1", $"{theirs}.layernorm_before"),
        .. HuggingFaceAttention(ours, theirs),
        .. Layer($"{ours}.norm2", $"{theirs}.layernorm_after"),
        .. Layer($"{ours}.mlp.fc1", $"{theirs}.intermediate.dense"),
        .. Layer($"{ours}.mlp.fc2", $"{theirs}.output.dense"),
    ];

    private static IEnumerable<TensorName> HuggingFaceAttention(string ours, string theirs) =>
    [
        .. Norms.Select(n => new TensorName($"{ours}.attn.qkv.{n}",
            $"{theirs}.attention.attention.query.{n}", $"{theirs}.attention.attention.key.{n}", $"{theirs}.attention.attention.value.{n}")),
        .. Layer($"{ours}.attn.proj", $"{theirs}.attention.output.dense"),
    ];

    private static IReadOnlyList<TensorName> HuggingFaceDino()
    {
        const string Ours = "encoder.blocks.{i}", Theirs = "encoder.layer.{i}";
        return
        [
            .. HuggingFaceEmbeddings(),
            new("encoder.register_tokens", "embeddings.register_tokens"),
            .. Layer($"{Ours}.norm1", $"{Theirs}.norm1"),
            .. HuggingFaceAttention(Ours, Theirs),
            new($"{Ours}.ls1.gamma", $"{Theirs}.layer_scale1.lambda1"),
            .. Layer($"{Ours}.norm2", $"{Theirs}.norm2"),
            .. Layer($"{Ours}.mlp.fc1", $"{Theirs}.mlp.fc1"),
            .. Layer($"{Ours}.mlp.fc2", $"{Theirs}.mlp.fc2"),
            new($"{Ours}.ls2.gamma", $"{Theirs}.layer_scale2.lambda1"),
            .. Layer("encoder.norm", "layernorm"),
        ];
    }

    private static IEnumerable<TensorName> Layer(string ours, string theirs) => Norms.Select(n => new TensorName($"{ours}.{n}", $"{theirs}.{n}"));
}

/// <summary>A row of a layout's table.</summary>
/// <param name="Ours">Our name, as a model's file has it.</param>
/// <param name="Theirs">Theirs; three where queries, keys and values, which we hold as one, lie apart.</param>
internal sealed record TensorName(string Ours, params IReadOnlyList<string> Theirs);
