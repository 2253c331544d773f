using Tessera.Masking;
using Tessera.Models;

namespace Tessera.Objectives;

/// <summary>What is hidden, and how it is restored.</summary>
public sealed record ReconstructionObjectiveOptions
{
    private static readonly MaskedAutoencoderOptions Standard = new();

    /// <summary>How much is hidden, and how the hidden places are chosen.</summary>
    public MaskOptions Mask { get; init; } = new();

    /// <summary>See <see cref="ReconstructionOptions.MaskTokens"/>.</summary>
    public int MaskTokens { get; init; } = Standard.MaskTokens;

    /// <summary>See <see cref="ReconstructionOptions.Placement"/>.</summary>
    public MaskPlacement Placement { get; init; } = Standard.Placement;

    /// <summary>Decoder blocks; null: the preset's.</summary>
    public int? DecoderDepth { get; init; }

    /// <summary>Decoder width; null: the preset's.</summary>
    public int? DecoderWidth { get; init; }

    /// <summary>Decoder heads; null: the preset's.</summary>
    public int? DecoderHeads { get; init; }

    /// <summary>See <see cref="ReconstructionOptions.Target"/>.</summary>
    public ReconstructionTarget Target { get; init; } = Standard.Target;

    /// <summary>See <see cref="ReconstructionOptions.LossOn"/>.</summary>
    public LossPlaces LossOn { get; init; } = Standard.LossOn;

    /// <summary>The masked autoencoder that these options ask for round an encoder.</summary>
    /// <exception cref="ArgumentException">There is no such preset.</exception>
    public MaskedAutoencoderOptions Shape(EncoderOptions encoder, int channels, int height, int width)
    {
        var shape = encoder.Shape(channels, height, width);
        var preset = encoder.Preset!;
        return new MaskedAutoencoderOptions
        {
            Encoder = shape,
            Placement = Placement,
            MaskTokens = MaskTokens,
            DecoderWidth = DecoderWidth ?? preset.DecoderWidth,
            DecoderDepth = DecoderDepth ?? preset.DecoderDepth,
            DecoderHeads = DecoderHeads ?? preset.DecoderHeads,
            Target = Target,
            LossOn = LossOn,
        };
    }
}
