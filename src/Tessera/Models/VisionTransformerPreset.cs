namespace Tessera.Models;

/// <summary>A named size of model: the encoder, and the light decoder that goes with it.</summary>
/// <param name="Name">The name on the command line.</param>
/// <param name="Width">Encoder width.</param>
/// <param name="Depth">Encoder blocks.</param>
/// <param name="Heads">Encoder heads.</param>
/// <param name="DecoderWidth">Decoder width.</param>
/// <param name="DecoderDepth">Decoder blocks.</param>
/// <param name="DecoderHeads">Decoder heads.</param>
/// <remarks>
/// Tiny and small: DeiT (arXiv:2012.12877). Base, large and huge, and their decoder: ViT (arXiv:2010.11929) and MAE
/// (arXiv:2111.06377, section 4). Micro is ours, for tests and for a minute on two cores. The decoders of the small models are
/// scaled down, since 8 blocks of 512 would cost several times their encoder.
/// </remarks>
public sealed record VisionTransformerPreset(
    string Name, int Width, int Depth, int Heads, int DecoderWidth, int DecoderDepth, int DecoderHeads)
{
    /// <summary>All presets, smallest first.</summary>
    public static IReadOnlyList<VisionTransformerPreset> All { get; } =
    [
        new("vit-micro", 128, 4, 4, 64, 1, 2),
        new("vit-tiny", 192, 12, 3, 128, 2, 4),
        new("vit-small", 384, 12, 6, 256, 4, 8),
        new("vit-base", 768, 12, 12, 512, 8, 16),
        new("vit-large", 1024, 24, 16, 512, 8, 16),
        new("vit-huge", 1280, 32, 16, 512, 8, 16),
    ];

    /// <summary>The preset of that name, or null.</summary>
    public static VisionTransformerPreset? Find(string name) =>
        All.FirstOrDefault(p => string.Equals(p.Name, name, StringComparison.OrdinalIgnoreCase));
}
