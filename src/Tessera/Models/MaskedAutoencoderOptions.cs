namespace Tessera.Models;

/// <summary>The shape of a masked autoencoder: an encoder, and what is built round it.</summary>
public sealed record MaskedAutoencoderOptions : ReconstructionOptions
{
    /// <summary>The encoder, which is what remains after pretraining.</summary>
    public VisionTransformerOptions Encoder { get; init; } = new();

    /// <summary>The defaults.</summary>
    public MaskedAutoencoderOptions() { }

    /// <summary>Builds that round an encoder.</summary>
    public MaskedAutoencoderOptions(ReconstructionOptions reconstruction, VisionTransformerOptions encoder) : base(reconstruction) => Encoder = encoder;

    /// <summary>Everything that is wrong with these options, a sentence each; empty when they can be built.</summary>
    public IEnumerable<string> Faults()
    {
        foreach (var fault in Encoder.Faults()) yield return fault;
        if (MaskTokens < 1) yield return $"the number of mask tokens is {MaskTokens}: it must be at least 1";
        if (DecoderDepth < 1) yield return $"the decoder depth is {DecoderDepth}: it must be at least 1";
        if (DecoderHeads < 1 || DecoderWidth < 1 || DecoderWidth % DecoderHeads != 0)
            yield return $"the decoder width {DecoderWidth} must be a multiple of the number of decoder heads {DecoderHeads}";
        if (Encoder.Positions == PositionEmbedding.SinCos && Placement == MaskPlacement.Decoder && DecoderWidth % 4 != 0)
            yield return $"the decoder width {DecoderWidth} must be a multiple of 4 for sine-cosine positions";
        if (Target == ReconstructionTarget.NormalizedPixels && Encoder.PatchValues == 1)
            yield return "normalised pixels need patches of more than one value: a patch of 1x1 pixel and one channel has no deviation";
    }
}

/// <summary>What is built round an encoder to restore hidden patches.</summary>
public abstract record ReconstructionOptions
{
    /// <summary>Where mask tokens join. Before the encoder, so that it meets them in training.</summary>
    public MaskPlacement Placement { get; init; } = MaskPlacement.Encoder;

    /// <summary>Size K of the set of learnable mask tokens; each masked place draws one. 1 is the MAE paper's single token.</summary>
    public int MaskTokens { get; init; } = 16;

    /// <summary>Decoder width Dd.</summary>
    public int DecoderWidth { get; init; } = 128;

    /// <summary>Decoder blocks.</summary>
    public int DecoderDepth { get; init; } = 2;

    /// <summary>Decoder heads.</summary>
    public int DecoderHeads { get; init; } = 4;

    /// <summary>What is restored. Raw pixels, since their pictures can be looked at.</summary>
    public ReconstructionTarget Target { get; init; } = ReconstructionTarget.Pixels;

    /// <summary>Which patches the loss looks at.</summary>
    public LossPlaces LossOn { get; init; } = LossPlaces.Masked;
}

/// <summary>Which patches the loss looks at.</summary>
public enum LossPlaces
{
    /// <summary>Masked patches only: restoring what is visible teaches nothing (MAE, section 3).</summary>
    Masked,

    /// <summary>All patches.</summary>
    All,
}

/// <summary>Where mask tokens join the sequence.</summary>
public enum MaskPlacement
{
    /// <summary>Before the encoder, which therefore sees every place; the decoder has neither positions nor mask tokens.</summary>
    Encoder,

    /// <summary>Before the decoder, as in MAE: the encoder sees visible patches alone, and the decoder has positions of its own.</summary>
    Decoder,
}

/// <summary>What the model is asked to restore.</summary>
public enum ReconstructionTarget
{
    /// <summary>The pixels of the patch, standardised by the data set's mean and deviation.</summary>
    Pixels,

    /// <summary>The pixels less the patch's own mean, over its own deviation (MAE, section 3): better features, pictures without their own light.</summary>
    NormalizedPixels,
}
