using Tessera.Models;

namespace Tessera.Benchmarking;

/// <summary>
/// The floating-point operations that one picture costs, from the architecture alone. A multiplication and its addition are two.
/// </summary>
/// <remarks>
/// Counted are the matrix products, attention's QKᵀ and AV among them, on the tokens that really take part: the patch projection on visible
/// patches, the encoder on all places or on the visible ones as the placement says, the prediction on the places that the loss looks at.
/// Not counted: norms, GELU, softmax, biases, sums, the loss, the augmentation and the optimiser. The backward pass counts as twice the
/// forward one: each product has one for the gradient of either factor (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).
/// </remarks>
public sealed record FlopCount
{
    private FlopCount() { }

    /// <summary>Projecting visible patches, forward, FLOP a picture.</summary>
    public long PatchProjection { get; private init; }

    /// <summary>The encoder's blocks, forward, FLOP a picture.</summary>
    public long Encoder { get; private init; }

    /// <summary>From the encoder's width to the decoder's, forward, FLOP a picture.</summary>
    public long ToDecoder { get; private init; }

    /// <summary>The decoder's blocks, forward, FLOP a picture.</summary>
    public long Decoder { get; private init; }

    /// <summary>From the decoder's tokens to pixels, forward, FLOP a picture.</summary>
    public long Prediction { get; private init; }

    /// <summary>The whole forward pass, FLOP a picture.</summary>
    public long Forward => PatchProjection + Encoder + ToDecoder + Decoder + Prediction;

    /// <summary>Forward and backward, FLOP a picture: three times <see cref="Forward"/>.</summary>
    public long Training => 3 * Forward;

    /// <summary>What a picture costs in pretraining.</summary>
    /// <param name="options">The architecture.</param>
    /// <param name="visible">Patches that are not hidden, Nv.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="visible"/> is not from 1 to the number of patches.</exception>
    public static FlopCount OfPretraining(MaskedAutoencoderOptions options, int visible)
    {
        ArgumentNullException.ThrowIfNull(options);
        var encoder = options.Encoder;
        ArgumentOutOfRangeException.ThrowIfLessThan(visible, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(visible, encoder.Patches);

        long classToken = encoder.ClassToken ? 1 : 0, all = encoder.Patches + classToken, values = encoder.PatchValues;
        long width = encoder.Width, decoderWidth = options.DecoderWidth;
        var predicted = options.LossOn == LossPlaces.Masked ? encoder.Patches - visible : encoder.Patches;
        var before = options.Placement == MaskPlacement.Encoder; // heads are MLPs there, and single layers in MAE's order
        var encoded = before ? all : visible + classToken;
        return new FlopCount
        {
            PatchProjection = Linear(visible, values, width),
            Encoder = encoder.Depth * Block(encoded, width, encoder.MlpRatio),
            ToDecoder = (before ? Linear(encoded, width, width) : 0) + Linear(encoded, width, decoderWidth),
            Decoder = options.DecoderDepth * Block(all, decoderWidth, encoder.MlpRatio),
            Prediction = (before ? Linear(predicted, decoderWidth, decoderWidth) : 0) + Linear(predicted, decoderWidth, values),
        };
    }

    /// <summary>What embedding a whole picture costs: the encoder's forward pass over every patch, FLOP a picture.</summary>
    public static long OfEmbedding(VisionTransformerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return Linear(options.Patches, options.PatchValues, options.Width)
            + options.Depth * Block(options.Patches + (options.ClassToken ? 1 : 0), options.Width, options.MlpRatio);
    }

    /// <summary>QKV (3 D²), projection (D²) and MLP (2 r D²) on each token; QKᵀ and AV (2 N D) on each token.</summary>
    private static long Block(long tokens, long width, long mlpRatio) =>
        Linear(tokens, width, (4 + 2 * mlpRatio) * width) + Linear(tokens, width, 2 * tokens);

    private static long Linear(long tokens, long inputs, long outputs) => 2 * tokens * inputs * outputs;
}
