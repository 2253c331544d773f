using Tessera.Models;

namespace Tessera.Weights;

/// <summary>What a weights file says of its model, so that it loads with no other file.</summary>
public sealed record ModelDescription
{
    /// <summary>The key of the safetensors metadata that holds it.</summary>
    public const string MetadataKey = "tessera.model";

    /// <summary>The shape.</summary>
    public required MaskedAutoencoderOptions Architecture { get; init; }

    /// <summary>The mean and deviation its pictures are standardised by.</summary>
    public required PixelNormalization Normalization { get; init; }

    /// <summary>The masks it was trained with.</summary>
    public required Masking.MaskOptions Mask { get; init; }

    /// <summary>How it was trained: free words by name, such as data, epochs and PSNR.</summary>
    public IReadOnlyDictionary<string, string> Training { get; init; } = new Dictionary<string, string>();
}
