namespace Tessera.Models;

/// <summary>Where mask tokens join the sequence.</summary>
public enum MaskPlacement
{
    /// <summary>Before the encoder, which therefore sees every place; the decoder has neither positions nor mask tokens.</summary>
    Encoder,

    /// <summary>Before the decoder, as in MAE: the encoder sees visible patches alone, and the decoder has positions of its own.</summary>
    Decoder,
}
