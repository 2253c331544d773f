namespace Tessera.Models;

/// <summary>How a place in the grid of patches is told to the transformer.</summary>
public enum PositionEmbedding
{
    /// <summary>Fixed two-dimensional sines and cosines, as in MAE.</summary>
    SinCos,

    /// <summary>One learned vector a place, as in ViT.</summary>
    Learned,
}
