using System.Text.Json.Serialization;
using Tessera.Masking;
using Tessera.Models;

namespace Tessera.Objectives;

/// <summary>What a model is taught by: what is hidden, how it is restored, and how views of a picture are compared.</summary>
public sealed record ObjectiveOptions
{
    private static readonly MaskedAutoencoderOptions Standard = new();

    /// <summary>Which of the two, or both at once. Both: at the same cost k-NN is twice that of pixels alone (docs/results.md), and the model draws pictures.</summary>
    public Teaching Teaching { get; init; } = Teaching.PixelsAndViews;

    /// <summary>The views, where they are compared.</summary>
    public ViewOptions Views { get; init; } = new();

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

/// <summary>What a model is taught by.</summary>
public enum Teaching
{
    /// <summary>Restoring the hidden patches of a picture.</summary>
    Pixels,

    /// <summary>Telling which views are of one picture.</summary>
    Views,

    /// <summary>Both, in one pass of the encoder.</summary>
    [JsonStringEnumMemberName("pixels+views")]
    PixelsAndViews,
}
