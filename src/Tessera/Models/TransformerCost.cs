namespace Tessera.Models;

/// <summary>What a model costs, from its architecture alone: floating-point operations, memory and parameters.</summary>
/// <remarks>
/// <para><b>Operations.</b> A multiplication and its addition are two. Counted are the matrix products, attention's QKᵀ and AV among them, on the
/// tokens that really take part: the patch projection on visible patches, the encoder on all places or on the visible ones as the placement says,
/// the prediction on the places that the loss looks at. Not counted: the comparison of views after their projection, norms, GELU, softmax, biases, sums, the loss, the augmentation and the
/// optimiser. The backward pass counts as twice the forward one: each product has one for the gradient of either factor (Kaplan et al. 2020,
/// arXiv:2001.08361, section 2.1).</para>
/// <para><b>Memory.</b> Counted is what the blocks hold for the backward pass, generously, so that it covers the layers before, between and after
/// them. Not counted: weights and their gradients.</para>
/// <para><b>Parameters.</b> All that is learned, exactly; sine-cosine positions are not.</para>
/// </remarks>
public static class TransformerCost
{
    /// <summary>What a picture costs in pretraining on pixels alone.</summary>
    /// <param name="options">The architecture.</param>
    /// <param name="visible">Patches that are not hidden, Nv.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="visible"/> is not from 1 to the number of patches.</exception>
    public static PretrainingFlop FlopOfPretraining(MaskedAutoencoderOptions options, int visible)
    {
        var (encoded, all) = Tokens(options, visible);
        long width = options.Encoder.Width, decoderWidth = options.DecoderWidth, values = options.Encoder.PatchValues;
        long predicted = options.LossOn == LossPlaces.Masked ? options.Encoder.PatchCount - visible : options.Encoder.PatchCount;
        var mlpHeads = HasMlpHeads(options);
        var kept = encoded - options.Encoder.RegisterTokens; // which end with the encoder
        return new PretrainingFlop(
            PatchProjection: Linear(visible, values, width),
            Encoder: options.Encoder.Depth * BlockCost.OfEncoder(options.Encoder).Flop(encoded),
            ToDecoder: (mlpHeads ? Linear(kept, width, width) : 0) + Linear(kept, width, decoderWidth),
            Decoder: options.DecoderDepth * BlockCost.OfDecoder(options).Flop(all),
            Prediction: (mlpHeads ? Linear(predicted, decoderWidth, decoderWidth) : 0) + Linear(predicted, decoderWidth, values),
            Projector: 0);
    }

    /// <summary>What a picture costs in pretraining on views, which are compared, and of which the first may be restored besides.</summary>
    /// <param name="options">The architecture.</param>
    /// <param name="visible">Patches of a global crop that are not hidden, Nv.</param>
    /// <param name="views">How many there are.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="visible"/> is not from 1 to the number of patches.</exception>
    public static PretrainingFlop FlopOfViews(MaskedAutoencoderOptions options, int visible, ViewCounts views)
    {
        ArgumentNullException.ThrowIfNull(views);
        var one = FlopOfPretraining(options, visible);
        var encoder = options.Encoder;
        var localTokens = views.LocalPatches + Tokens(encoder) - encoder.PatchCount;
        return new PretrainingFlop(
            views.Crops * one.PatchProjection + views.LocalCrops * Linear(views.LocalPatches, encoder.PatchValues, encoder.Width),
            views.Crops * one.Encoder + views.LocalCrops * encoder.Depth * BlockCost.OfEncoder(encoder).Flop(localTokens),
            views.Restores ? one.ToDecoder : 0,
            views.Restores ? one.Decoder : 0,
            views.Restores ? one.Prediction : 0,
            (views.Crops + views.LocalCrops) * (Linear(1, encoder.Width, ProjectionHead.HiddenWidth)
                + Linear(1, ProjectionHead.HiddenWidth, ProjectionHead.HiddenWidth) + Linear(1, ProjectionHead.HiddenWidth, ProjectionHead.OutputWidth)));
    }

    /// <summary>What embedding a whole picture costs: the encoder's forward pass over every patch, FLOP a picture.</summary>
    public static long FlopOfEmbedding(VisionTransformerOptions options)
    {
        var flop = FlopOfClassifying(options, classes: 1);
        return flop.PatchProjection + flop.Encoder;
    }

    /// <summary>What it costs to tell a whole picture's class.</summary>
    /// <param name="options">The encoder's architecture.</param>
    /// <param name="classes">K, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no class.</exception>
    public static ClassifyingFlop FlopOfClassifying(VisionTransformerOptions options, int classes)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 1);
        return new ClassifyingFlop(
            PatchProjection: Linear(options.PatchCount, options.PatchValues, options.Width),
            Encoder: options.Depth * BlockCost.OfEncoder(options).Flop(Tokens(options)),
            Head: Linear(1, options.Width, classes));
    }

    /// <summary>The matrix products that make up most of a model's work: of its blocks, queries, keys and values in one, and the MLP's two.</summary>
    /// <param name="options">The architecture.</param>
    /// <param name="visible">Patches of a picture that are not hidden, Nv.</param>
    /// <param name="batch">Pictures that are computed at once.</param>
    /// <returns>Three of the encoder, then three of the decoder.</returns>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="visible"/> is not from 1 to the number of patches.</exception>
    public static IReadOnlyList<MatrixShape> MatrixProducts(MaskedAutoencoderOptions options, int visible, int batch)
    {
        var (encoded, all) = Tokens(options, visible);
        return [.. Of(BlockCost.OfEncoder(options.Encoder), batch * encoded), .. Of(BlockCost.OfDecoder(options), batch * all)];

        static MatrixShape[] Of(BlockCost block, long tokens) => [block.Qkv(tokens), block.Fc1(tokens), block.Fc2(tokens)];
    }

    /// <summary>About how many bytes a picture's forward pass in fp32 leaves for the backward one: measured, 1.05 to 1.13 times what it does.</summary>
    /// <param name="options">The architecture.</param>
    /// <param name="visible">Patches that are not hidden, Nv.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="visible"/> is not from 1 to the number of patches.</exception>
    public static long BytesKept(MaskedAutoencoderOptions options, int visible) => BytesKept(options, visible, new ViewCounts(1, 0, 0, Restores: true));

    /// <summary>About how many bytes a picture's views leave for the backward pass, in fp32.</summary>
    /// <inheritdoc cref="FlopOfViews"/>
    public static long BytesKept(MaskedAutoencoderOptions options, int visible, ViewCounts views)
    {
        ArgumentNullException.ThrowIfNull(views);
        var (encoded, all) = Tokens(options, visible);
        var block = BlockCost.OfEncoder(options.Encoder);
        var localTokens = views.LocalPatches + Tokens(options.Encoder) - options.Encoder.PatchCount;
        return sizeof(float) * (options.Encoder.Depth * (views.Crops * block.ValuesKept(encoded) + views.LocalCrops * block.ValuesKept(localTokens))
            + (views.Restores ? options.DecoderDepth * BlockCost.OfDecoder(options).ValuesKept(all) : 0));
    }

    /// <summary>About how many bytes the forward pass of an encoder over a whole picture, in fp32, leaves for the backward one; a classifier's head leaves next to nothing.</summary>
    /// <param name="options">The architecture.</param>
    public static long BytesKept(VisionTransformerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return sizeof(float) * options.Depth * BlockCost.OfEncoder(options).ValuesKept(Tokens(options));
    }

    /// <summary>What a worker's gradients of so many parameters take, in fp32.</summary>
    internal static long GradientBytes(Int128 parameters) => (long)Int128.Min(sizeof(float) * parameters, long.MaxValue);

    /// <summary>Learned values of an encoder.</summary>
    /// <returns>128 bits, since options that were read from a file may claim more than there is memory in the world.</returns>
    public static Int128 Parameters(VisionTransformerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return Layer(options.PatchValues, options.Width)
            + (Int128)options.ExtraTokens * options.Width + Positions(options, options.Width)
            + (options.LayerScale ? 2 * (Int128)options.Depth * options.Width : 0)
            + options.Depth * BlockCost.OfEncoder(options).Parameters + Norm(options.Width);
    }

    /// <summary>Learned values of a whole model: its encoder, mask tokens, decoder and prediction.</summary>
    /// <returns>128 bits, as for an encoder.</returns>
    public static Int128 Parameters(MaskedAutoencoderOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        long width = options.Encoder.Width, decoderWidth = options.DecoderWidth;
        var masksBefore = options.Placement == MaskPlacement.Encoder;
        var mlpHeads = HasMlpHeads(options);
        return Parameters(options.Encoder)
            + options.MaskTokens * (Int128)(masksBefore ? width : decoderWidth)
            + (mlpHeads ? Layer(width, width) : 0) + Layer(width, decoderWidth)
            + (masksBefore ? 0 : Positions(options.Encoder, decoderWidth))
            + options.DecoderDepth * BlockCost.OfDecoder(options).Parameters + Norm(decoderWidth)
            + (mlpHeads ? Layer(decoderWidth, decoderWidth) : 0) + Layer(decoderWidth, options.Encoder.PatchValues);
    }

    /// <summary>Tokens of a picture in the encoder's blocks, and in the decoder's.</summary>
    private static (long Encoded, long All) Tokens(MaskedAutoencoderOptions options, int visible)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfLessThan(visible, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(visible, options.Encoder.PatchCount);
        var all = Tokens(options.Encoder);
        return (options.Placement == MaskPlacement.Encoder ? all : all - options.Encoder.PatchCount + visible, options.Encoder.PositionCount);
    }

    /// <summary>Tokens of a whole picture.</summary>
    internal static long Tokens(VisionTransformerOptions options) => options.PatchCount + options.ExtraTokens;

    // With mask tokens before the encoder, encoder and decoder end in MLPs; in MAE's order each ends in a single layer.
    private static bool HasMlpHeads(MaskedAutoencoderOptions options) => options.Placement == MaskPlacement.Encoder;

    private static long Linear(long tokens, long inputs, long outputs) => new MatrixShape(tokens, inputs, outputs).Flop;

    private static Int128 Layer(Int128 inputs, Int128 outputs) => (inputs + 1) * outputs;

    private static Int128 Norm(Int128 width) => 2 * width;

    private static Int128 Positions(VisionTransformerOptions options, Int128 width) =>
        options.Positions == PositionEmbedding.Learned ? options.PositionCount * width : 0;
}

/// <summary>The views that are made of a picture.</summary>
/// <param name="Crops">Global crops.</param>
/// <param name="LocalCrops">Local crops, of which nothing is hidden.</param>
/// <param name="LocalPatches">Patches of a local crop.</param>
/// <param name="Restores">Whether the first global crop is restored.</param>
public sealed record ViewCounts(int Crops, int LocalCrops, int LocalPatches, bool Restores);

/// <summary>The floating-point operations that one picture costs in pretraining. What is counted, <see cref="TransformerCost"/> says.</summary>
/// <param name="PatchProjection">Projecting visible patches, forward, FLOP a picture.</param>
/// <param name="Encoder">The encoder's blocks, forward, FLOP a picture.</param>
/// <param name="ToDecoder">From the encoder's width to the decoder's, forward, FLOP a picture.</param>
/// <param name="Decoder">The decoder's blocks, forward, FLOP a picture.</param>
/// <param name="Prediction">From the decoder's tokens to pixels, forward, FLOP a picture.</param>
/// <param name="Projector">Projecting views to where they are compared, forward, FLOP a picture.</param>
public sealed record PretrainingFlop(long PatchProjection, long Encoder, long ToDecoder, long Decoder, long Prediction, long Projector)
{
    /// <summary>The whole forward pass, FLOP a picture.</summary>
    public long Forward => PatchProjection + Encoder + ToDecoder + Decoder + Prediction + Projector;

    /// <summary>Forward and backward, FLOP a picture: three times <see cref="Forward"/>.</summary>
    public long Training => 3 * Forward;
}

/// <summary>The floating-point operations that it costs to tell one picture's class. What is counted, <see cref="TransformerCost"/> says.</summary>
/// <param name="PatchProjection">Projecting patches, forward, FLOP a picture.</param>
/// <param name="Encoder">The encoder's blocks, forward, FLOP a picture.</param>
/// <param name="Head">The linear layer, forward, FLOP a picture.</param>
public sealed record ClassifyingFlop(long PatchProjection, long Encoder, long Head)
{
    /// <summary>The whole forward pass, FLOP a picture.</summary>
    public long Forward => PatchProjection + Encoder + Head;

    /// <summary>Forward and backward where all is trained, FLOP a picture: three times <see cref="Forward"/>.</summary>
    public long Training => 3 * Forward;
}

/// <summary>The shape of a matrix product, (M, K) × (K, N).</summary>
/// <param name="Rows">M: of a linear layer, its tokens.</param>
/// <param name="Inner">K: its inputs.</param>
/// <param name="Columns">N: its outputs.</param>
public readonly record struct MatrixShape(long Rows, long Inner, long Columns)
{
    /// <summary>Multiplications and additions, 2 M K N.</summary>
    public long Flop => 2 * Rows * Inner * Columns;

    /// <summary><c>M×K×N</c></summary>
    public override string ToString() => $"{Rows}×{Inner}×{Columns}";
}

/// <summary>What one transformer block costs, in an encoder or a decoder.</summary>
internal readonly record struct BlockCost(long Width, long Heads, long MlpRatio)
{
    public static BlockCost OfEncoder(VisionTransformerOptions options) => new(options.Width, options.Heads, options.MlpRatio);

    public static BlockCost OfDecoder(MaskedAutoencoderOptions options) => new(options.DecoderWidth, options.DecoderHeads, options.Encoder.MlpRatio);

    /// <summary>Of QKV, projection and MLP, weights (4 + 2r) w² and biases (5 + r) w; of two norms, 4 w.</summary>
    public Int128 Parameters => (4 + 2 * (Int128)MlpRatio) * Width * Width + (9 + MlpRatio) * (Int128)Width;

    public MatrixShape Qkv(long tokens) => new(tokens, Width, 3 * Width);

    public MatrixShape Projection(long tokens) => new(tokens, Width, Width);

    public MatrixShape Fc1(long tokens) => new(tokens, Width, MlpRatio * Width);

    public MatrixShape Fc2(long tokens) => new(tokens, MlpRatio * Width, Width);

    /// <summary>Forward, for a picture of so many tokens.</summary>
    public long Flop(long tokens)
    {
        var attention = new MatrixShape(tokens, Width, tokens); // QKᵀ, of all heads together; AV costs as much
        return Qkv(tokens).Flop + 2 * attention.Flop + Projection(tokens).Flop + Fc1(tokens).Flop + Fc2(tokens).Flop;
    }

    /// <summary>Values that a picture of so many tokens has in a block where nothing is kept for a backward pass.</summary>
    public long ValuesAtOnce(long tokens) => tokens * ((6 + 2 * MlpRatio) * Width + Heads * tokens);

    /// <summary>Values that are kept for the backward pass, of a picture of so many tokens.</summary>
    // Per token and in its width: two inputs of norms and their outputs, queries, keys and values, queries scaled, what attention gives; the
    // MLP's hidden values before and after GELU. And the attention weights. These are (9 + 2r) w + h n; queries, keys and values count once more,
    // as they lie before heads are told apart, though that copy is freed: it makes up for the layers that are not counted.
    public long ValuesKept(long tokens) => tokens * ((12 + 2 * MlpRatio) * Width + Heads * tokens);
}
