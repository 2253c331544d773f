using Tessera.Models;

namespace Tessera.Weights.Layouts;

/// <summary>What another project's file does not say of its model, and what shall be other than there.</summary>
public sealed record ImportOptions
{
    /// <summary>ImageNet's mean and deviation, by which the published models of MAE, DINOv2 and most of timm standardise pixels.</summary>
    public static PixelNormalization ImageNet { get; } = new([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);

    /// <summary>One half for each, by which Hugging Face's ViT and timm's weights from JAX standardise: pixels from -1 to 1.</summary>
    public static PixelNormalization Half { get; } = new([0.5, 0.5, 0.5], [0.5, 0.5, 0.5]);

    /// <summary>Attention heads, which no shape tells; null: what the file, or a config.json beside it, says.</summary>
    public int? Heads { get; init; }

    /// <summary>The decoder's; null: as above.</summary>
    public int? DecoderHeads { get; init; }

    /// <summary>How pixels are standardised; null: what the file, or what lies beside it, says.</summary>
    public PixelNormalization? Normalization { get; init; }

    /// <summary>What the decoder was asked to restore; null: what the file, or a config.json beside it, says.</summary>
    public ReconstructionTarget? Target { get; init; }

    /// <summary>Side of the pictures that it shall take, a multiple of the patch; null: as it was trained. Positions are resized to it.</summary>
    public int? ImageSize { get; init; }

    /// <summary>
    /// Channels of the pictures that it shall take, 1 or 3; null: as it was trained. As in timm: a grey picture's weights are the channels' sum; from grey to three, each channel
    /// has a third.
    /// </summary>
    public int? Channels { get; init; }

    /// <summary>Where in the file the model lies, such as <c>teacher.backbone.</c>; null: where the one that is found lies.</summary>
    public string? Prefix { get; init; }

    /// <summary>Whether a decoder is left there.</summary>
    public bool EncoderOnly { get; init; }

    /// <summary>Whether a decoder is also left there where the file does not say what is needed to use it.</summary>
    internal bool DecoderIfSaid { get; init; }
}
