using System.Text.Json.Serialization;
using Tessera.Imaging;

namespace Tessera.Models;

/// <summary>The shape of a Vision Transformer. Presets are in <see cref="VisionTransformerPreset"/>.</summary>
public sealed record VisionTransformerOptions
{
    /// <summary>Channels of a picture: 1 (grey) or 3 (RGB).</summary>
    public int Channels { get; init; } = 3;

    /// <summary>Height of a picture in pixels, a multiple of the patch.</summary>
    public int ImageHeight { get; init; } = 64;

    /// <summary>Width of a picture in pixels, a multiple of the patch.</summary>
    public int ImageWidth { get; init; } = 64;

    /// <summary>Side of the square patch in pixels. 8 gives 64 tokens at 64 pixels.</summary>
    public int PatchSize { get; init; } = 8;

    /// <summary>Width D of a token.</summary>
    public int Width { get; init; } = 192;

    /// <summary>Number of transformer blocks.</summary>
    public int Depth { get; init; } = 12;

    /// <summary>Attention heads; they share the width equally.</summary>
    public int Heads { get; init; } = 3;

    /// <summary>The MLP's hidden width as a multiple of <see cref="Width"/>.</summary>
    public int MlpRatio { get; init; } = 4;

    /// <summary>How places are told apart. Sines and cosines need no training and can be made for any grid.</summary>
    public PositionEmbedding Positions { get; init; } = PositionEmbedding.SinCos;

    /// <summary>Whether a learned class token stands before the patches. Off: the mean of the patches describes a picture as well.</summary>
    public bool ClassToken { get; init; }

    /// <summary>
    /// Learned tokens without a place that stand beside the patches in the blocks and are taken away at the end (Darcet et al. 2024, arXiv:2309.16588).
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] // models without them are described as ever
    public int RegisterTokens { get; init; }

    /// <summary>Whether each branch of a block is multiplied by a learned number a channel (Touvron et al. 2021, arXiv:2103.17239), as in DINOv2.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool LayerScale { get; init; }

    /// <summary>What the norms add to a variance. MAE's and timm's value; Hugging Face's ViT has 1e-12.</summary>
    [JsonIgnore]
    public double NormEpsilon { get; init; } = TransformerBlock.NormEpsilon;

    /// <summary>The same in a file, which says it only where it is another.</summary>
    [JsonInclude, JsonPropertyName("normEpsilon"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    internal double? StoredNormEpsilon
    {
        get => NormEpsilon == TransformerBlock.NormEpsilon ? null : NormEpsilon;
        init => NormEpsilon = value ?? TransformerBlock.NormEpsilon;
    }

    /// <summary>Tokens before the patches: class and registers.</summary>
    internal int ExtraTokens => (ClassToken ? 1 : 0) + RegisterTokens;

    /// <summary>Places that a table of positions has: the class token's, and the patches'.</summary>
    internal int PositionCount => (ClassToken ? 1 : 0) + PatchCount;

    /// <summary>Rows of patches.</summary>
    public int GridHeight => ImageHeight / PatchSize;

    /// <summary>Columns of patches.</summary>
    public int GridWidth => ImageWidth / PatchSize;

    /// <summary>Number of patches N.</summary>
    public int PatchCount => GridHeight * GridWidth;

    /// <summary>The grid of patches of a picture at half the size.</summary>
    internal (int Rows, int Columns) LocalGrid => (Math.Max(1, GridHeight / 2), Math.Max(1, GridWidth / 2));

    /// <summary>Values in one patch: side × side × channels.</summary>
    public int PatchValues => PatchSize * PatchSize * Channels;

    /// <summary>Everything that is wrong with these options, a sentence each; empty when they can be built.</summary>
    public IEnumerable<string> Faults()
    {
        if (Channels is not (1 or 3)) yield return $"channels is {Channels}: it must be 1 or 3";
        if (PatchSize < 1) yield return $"the patch size is {PatchSize}: it must be at least 1";
        else
        {
            foreach (var fault in SideFaults("height", ImageHeight).Concat(SideFaults("width", ImageWidth))) yield return fault;
        }
        if (Depth < 1) yield return $"the depth is {Depth}: it must be at least 1";
        if (RegisterTokens < 0) yield return $"the number of register tokens is {RegisterTokens}: it must be at least 0";
        if (!(NormEpsilon > 0 && double.IsFinite(NormEpsilon))) yield return $"the norms' epsilon is {NormEpsilon}: it must be finite and above 0";
        if (MlpRatio < 1) yield return $"the MLP ratio is {MlpRatio}: it must be at least 1";
        if (Heads < 1 || Width < 1 || Width % Heads != 0) yield return $"the width {Width} must be a multiple of the number of heads {Heads}";
        if (Positions == PositionEmbedding.SinCos && Width % 4 != 0) yield return $"the width {Width} must be a multiple of 4 for sine-cosine positions";
    }

    private IEnumerable<string> SideFaults(string name, int side)
    {
        if (side > ImageShape.LongestSide)
        {
            yield return $"the image {name} is {side}: it must be at most {ImageShape.LongestSide}";
            yield break;
        }
        if (side >= PatchSize && side % PatchSize == 0) yield break;
        var below = side / PatchSize * PatchSize;
        var sizes = below > 0 ? $"{below} and {below + PatchSize}" : $"{PatchSize}";
        yield return $"the image {name} {side} is not a multiple of the patch size {PatchSize}: the nearest that work are {sizes}";
    }
}

/// <summary>How a place in the grid of patches is told to the transformer.</summary>
public enum PositionEmbedding
{
    /// <summary>Fixed two-dimensional sines and cosines, as in MAE.</summary>
    SinCos,

    /// <summary>One learned vector a place, as in ViT.</summary>
    Learned,
}
