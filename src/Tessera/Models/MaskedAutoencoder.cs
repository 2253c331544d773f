using Tessera.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Tessera.Models;

/// <summary>A Vision Transformer that restores hidden patches, with mask tokens drawn from a learnable set.</summary>
/// <remarks>
/// <para>Mask tokens before the encoder: the order of SimMIM (arXiv:2111.09886), with a set of tokens instead of one, MLP heads,
/// and a decoder without positions. Mask tokens before the decoder: He et al. 2021, MAE (arXiv:2111.06377), section 3.</para>
/// <para>Sequences hold the visible places first, then the hidden ones. A transformer does not care for the order of its tokens,
/// and their positions travel with them, so nothing needs to be shuffled back until a picture is wanted.</para>
/// </remarks>
public sealed class MaskedAutoencoder : Module<Tensor, PatchMask, Tensor>
{
    private readonly VisionTransformer encoder;
    private readonly Embedding mask_tokens;
    private readonly Module<Tensor, Tensor> decoder_embed, decoder_pred;
    private readonly Tensor? decoder_pos_embed; // (1, [1 +] N, Dd)
    private readonly ModuleList<TransformerBlock> decoder_blocks;
    private readonly LayerNorm decoder_norm;

    /// <summary>Builds the model and draws its weights.</summary>
    /// <param name="options">The shape.</param>
    /// <param name="seed">The weights are a function of this and of their names.</param>
    /// <exception cref="ArgumentException">The options cannot be built; every fault is named.</exception>
    public MaskedAutoencoder(MaskedAutoencoderOptions options, ulong seed = 0) : base(nameof(MaskedAutoencoder))
    {
        var faults = options.Faults().ToList();
        if (faults.Count > 0) throw new ArgumentException(string.Join("; ", faults), nameof(options));

        Options = options;
        var (width, decoderWidth, patchValues) = (options.Encoder.Width, options.DecoderWidth, options.Encoder.PatchValues);
        encoder = new VisionTransformer(options.Encoder);
        if (options.Placement == MaskPlacement.Encoder)
        {
            mask_tokens = Embedding(options.MaskTokens, width);
            decoder_embed = new Mlp(width, width, decoderWidth);
            decoder_pred = new Mlp(decoderWidth, decoderWidth, patchValues);
        }
        else
        {
            mask_tokens = Embedding(options.MaskTokens, decoderWidth);
            decoder_embed = Linear(width, decoderWidth);
            decoder_pred = Linear(decoderWidth, patchValues);
            decoder_pos_embed = VisionTransformer.MakePositions(options.Encoder with { Width = decoderWidth });
        }
        decoder_blocks = [];
        for (var i = 0; i < options.DecoderDepth; i++)
            decoder_blocks.Add(new TransformerBlock(decoderWidth, options.DecoderHeads, options.Encoder.MlpRatio, options.Encoder.NormEpsilon));
        decoder_norm = LayerNorm(decoderWidth, options.Encoder.NormEpsilon);
        RegisterComponents();
        WeightInitialization.Draw(this, seed);
    }

    /// <summary>The shape this model was built with.</summary>
    public MaskedAutoencoderOptions Options { get; }

    /// <summary>The encoder inside.</summary>
    public VisionTransformer Encoder => encoder;

    /// <summary>The mean squared error of restoring the hidden patches (or all, as <see cref="ReconstructionOptions.LossOn"/> says).</summary>
    /// <param name="patches">(B, N, p·p·C), standardised pixels in raster order</param>
    /// <param name="mask">Which are hidden.</param>
    /// <returns>A scalar.</returns>
    public override Tensor forward(Tensor patches, PatchMask mask)
    {
        using var scope = NewDisposeScope();
        var hidden = Patches.Pick(patches, mask.Hidden);
        var visible = Patches.Pick(patches, mask.Visible);
        return Loss(Predict(visible, mask, Options.LossOn), visible, hidden).MoveToOuterDisposeScope();
    }

    /// <summary>The mean squared error of a prediction, on the places that the loss looks at.</summary>
    /// <param name="prediction">(B, Nh or N, p·p·C): the hidden places, after the visible ones or alone, as <see cref="Predict"/> gives them</param>
    /// <param name="visible">(B, Nv, p·p·C): what stands there</param>
    /// <param name="hidden">(B, Nh, p·p·C): what stood there</param>
    /// <returns>A scalar.</returns>
    public Tensor Loss(Tensor prediction, Tensor visible, Tensor hidden)
    {
        using var scope = NewDisposeScope();
        var target = Options.LossOn == LossPlaces.Masked ? hidden : cat([visible, hidden], dim: 1);
        if (Options.Target == ReconstructionTarget.NormalizedPixels) target = PatchNormalization.Of(target).Normalize(target);
        var count = target.shape[1];
        return functional.mse_loss(prediction.narrow(1, prediction.shape[1] - count, count), target).MoveToOuterDisposeScope();
    }

    /// <summary>Restores patches from the visible ones.</summary>
    /// <param name="visible">(B, Nv, p·p·C): the visible patches, in the mask's order</param>
    /// <param name="mask">Which places they have, and which are hidden.</param>
    /// <param name="places">The hidden places alone, or all.</param>
    /// <returns>(B, Nh, p·p·C) in the mask's order; or (B, N, p·p·C), visible places first. In the target's units, fp32.</returns>
    public Tensor Predict(Tensor visible, PatchMask mask, LossPlaces places)
    {
        using var scope = NewDisposeScope();
        return Decode(Encode(visible, mask), mask, places).MoveToOuterDisposeScope();
    }

    /// <summary>Encodes the visible patches; with mask tokens before the encoder, beside those that stand in the hidden places.</summary>
    /// <param name="visible">(B, Nv, p·p·C): the visible patches, in the mask's order</param>
    /// <param name="mask">Which places they have, and which are hidden.</param>
    /// <returns>(B, [1 +] N or Nv, D): a class token, the visible places, and the hidden ones where they are encoded</returns>
    public Tensor Encode(Tensor visible, PatchMask mask)
    {
        using var scope = NewDisposeScope();
        var tokens = encoder.Embed(visible).Plus(encoder.PositionsAt(mask.Visible));    // (B, Nv, D)
        if (Options.Placement == MaskPlacement.Encoder)
        {
            var hidden = mask_tokens.call(mask.Tokens).Plus(encoder.PositionsAt(mask.Hidden)); // (B, Nh, D)
            tokens = cat([tokens, hidden], dim: 1);                                     // (B, N, D)
        }
        return encoder.Encode(tokens).MoveToOuterDisposeScope();
    }

    /// <summary>Restores patches from what <see cref="Encode"/> gave.</summary>
    /// <param name="encoded">(B, [1 +] N or Nv, D)</param>
    /// <param name="mask">The same mask.</param>
    /// <param name="places">The hidden places alone, or all.</param>
    /// <returns>As <see cref="Predict"/>.</returns>
    public Tensor Decode(Tensor encoded, PatchMask mask, LossPlaces places)
    {
        using var scope = NewDisposeScope();
        var tokens = decoder_embed.call(encoded);
        if (Options.Placement == MaskPlacement.Decoder)
            tokens = cat([tokens, mask_tokens.call(mask.Tokens)], dim: 1).Plus(DecoderPositions(mask));
        foreach (var block in decoder_blocks) tokens = block.call(tokens);              // (B, [1 +] N, Dd)

        var shown = places == LossPlaces.Masked ? mask.Hidden.shape[1] : mask.Hidden.shape[1] + mask.Visible.shape[1];
        tokens = tokens.narrow(1, tokens.shape[1] - shown, shown);
        return decoder_pred.call(decoder_norm.call(tokens)).to(ScalarType.Float32).MoveToOuterDisposeScope(); // the loss is in fp32
    }

    /// <returns>(B, [1 +] N, Dd), in sequence order</returns>
    private Tensor DecoderPositions(PatchMask mask)
    {
        var places = cat([mask.Visible, mask.Hidden], dim: 1);
        if (Options.Encoder.ClassToken) places = cat([zeros_like(places.narrow(1, 0, 1)), places.Plus(ones_like(places))], dim: 1);
        return decoder_pos_embed![0].index_select(0, places.reshape(-1)).reshape(places.shape[0], places.shape[1], Options.DecoderWidth);
    }
}
