using System.Globalization;
using Tessera.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Tessera.Models;

/// <summary>Vision Transformer encoder: patches to tokens. It knows nothing of masking.</summary>
/// <remarks>Dosovitskiy et al. 2021 (arXiv:2010.11929). Parameters carry timm's names.</remarks>
public sealed class VisionTransformer : Module<Tensor, Tensor>
{
    private readonly Parameter? cls_token, register_tokens; // (1, 1, D), (1, R, D)
    private readonly PatchProjection patch_embed;
    private readonly Tensor pos_embed; // (1, N, D), or (1, N + 1, D) with a class token: a parameter when learned, else a buffer
    private readonly ModuleList<TransformerBlock> blocks;
    private readonly LayerNorm norm;

    /// <summary>Builds the encoder; its weights are drawn by <see cref="WeightInitialization"/>.</summary>
    /// <exception cref="ArgumentException">The options cannot be built; every fault is named.</exception>
    public VisionTransformer(VisionTransformerOptions options) : base(nameof(VisionTransformer))
    {
        var faults = options.Faults().ToList();
        if (faults.Count > 0) throw new ArgumentException(string.Join("; ", faults), nameof(options));

        Options = options;
        patch_embed = new PatchProjection(options);
        cls_token = options.ClassToken ? new Parameter(zeros(1, 1, options.Width)) : null;
        register_tokens = options.RegisterTokens > 0 ? new Parameter(zeros(1, options.RegisterTokens, options.Width)) : null;
        pos_embed = MakePositions(options);
        blocks = [];
        for (var i = 0; i < options.Depth; i++) blocks.Add(new TransformerBlock(options.Width, options.Heads, options.MlpRatio, options.NormEpsilon, options.LayerScale));
        norm = LayerNorm(options.Width, options.NormEpsilon);
        RegisterComponents();
    }

    /// <summary>The shape this model was built with.</summary>
    public VisionTransformerOptions Options { get; }

    /// <summary>Encodes whole pictures.</summary>
    /// <param name="images">(B, C, H, W), normalised as in training</param>
    /// <returns>(B, N, D), or (B, N + 1, D) with the class token first</returns>
    public override Tensor forward(Tensor images) => EncodeImages(images);

    /// <summary>Encodes whole pictures, each past the branches that it skips.</summary>
    /// <param name="images">(B, C, H, W), normalised as in training</param>
    /// <param name="paths">(B, 2·depth): what each branch is multiplied by, attention and then MLP, block by block, 0 to skip it; null: none is skipped.</param>
    /// <returns>(B, N, D), or (B, N + 1, D) with the class token first</returns>
    public Tensor EncodeImages(Tensor images, Tensor? paths = null)
    {
        using var scope = NewDisposeScope();
        return Encode(PatchTokens(images), paths).MoveToOuterDisposeScope();
    }

    /// <summary>Encodes whole pictures by the first blocks alone, for several numbers of them in one pass.</summary>
    /// <param name="images">(B, C, H, W), normalised as in training</param>
    /// <param name="counts">How many blocks, from 1; of all, it is <see cref="forward"/>.</param>
    /// <returns>
    /// For each count (B, N, D), or (B, N + 1, D) with the class token first; normalised by the last layer's norm, as DINOv2 takes its intermediate layers.
    /// </returns>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer blocks.</exception>
    public IReadOnlyList<Tensor> AfterBlocks(Tensor images, params IReadOnlyList<int> counts)
    {
        ArgumentNullException.ThrowIfNull(counts);
        foreach (var count in counts)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(count, 1, nameof(counts));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Options.Depth, nameof(counts));
        }
        using var scope = NewDisposeScope();
        var tokens = WithExtraTokens(PatchTokens(images)); // (B, n, D)
        var taken = new Dictionary<int, Tensor>();
        for (var made = 1; made <= counts.Max(); made++)
        {
            tokens = blocks[made - 1].call(tokens);
            if (counts.Contains(made)) taken[made] = norm.call(WithoutRegisters(tokens)).MoveToOuterDisposeScope();
        }
        return [.. counts.Select(count => taken[count])];
    }

    /// <summary>What the last block looks at.</summary>
    /// <param name="images">(B, C, H, W), normalised as in training</param>
    /// <returns>
    /// (B, heads, N), fp32: how much the class token takes from each patch; without one, how much all patches together take, on average. A row sums to 1, or
    /// with class and register tokens to what is not taken from them.
    /// </returns>
    public Tensor Attention(Tensor images)
    {
        using var scope = NewDisposeScope();
        var tokens = WithExtraTokens(PatchTokens(images));
        foreach (var block in blocks.Take(Options.Depth - 1)) tokens = block.call(tokens);
        var weights = blocks[Options.Depth - 1].Attention(tokens); // (B, heads, n, n)
        var extra = Options.ExtraTokens;
        var rows = Options.ClassToken ? weights.select(2, 0) : weights.narrow(2, extra, Options.PatchCount).mean([2L]); // (B, heads, n)
        return rows.narrow(-1, extra, Options.PatchCount).MoveToOuterDisposeScope();
    }

    /// <summary>Projects patches into the embedding space, without positions.</summary>
    /// <param name="patches">(B, n, p·p·C)</param>
    /// <returns>(B, n, D)</returns>
    public Tensor Embed(Tensor patches) => patch_embed.call(patches);

    /// <summary>The position embedding of the given places.</summary>
    /// <param name="places">(B, n), int64, in raster order from 0</param>
    /// <returns>(B, n, D)</returns>
    public Tensor PositionsAt(Tensor places)
    {
        using var scope = NewDisposeScope();
        return PatchPositions()[0].index_select(0, places.reshape(-1))
            .reshape(places.shape[0], places.shape[1], Options.Width)
            .MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The position embedding of a coarser grid that is laid over the whole field of places: what a crop gets that does not know where in the
    /// picture it was cut out.
    /// </summary>
    /// <param name="rows">Rows of patches, no more than the model's.</param>
    /// <param name="columns">Columns of patches, no more than the model's.</param>
    /// <returns>(1, rows·columns, D): the mean of the places that each covers</returns>
    public Tensor PositionsOver(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        var field = PatchPositions().transpose(1, 2).reshape(1, Options.Width, Options.GridHeight, Options.GridWidth);
        return functional.adaptive_avg_pool2d(field, [rows, columns]).flatten(2).transpose(1, 2).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Runs the blocks over tokens that have their positions already; a class token and register tokens are put before them, and the registers, which
    /// are a place to compute in, are taken away again.
    /// </summary>
    /// <param name="tokens">(B, n, D)</param>
    /// <param name="paths">(B, 2·depth): what each branch is multiplied by, attention and then MLP, block by block, 0 to skip it; null: none is skipped.</param>
    /// <returns>(B, n, D), or (B, n + 1, D) with the class token first</returns>
    public Tensor Encode(Tensor tokens, Tensor? paths = null)
    {
        using var scope = NewDisposeScope();
        tokens = WithExtraTokens(tokens);
        if (paths is null) foreach (var block in blocks) tokens = block.call(tokens);
        else tokens = Skip(tokens, paths.to(tokens.dtype));
        return norm.call(WithoutRegisters(tokens)).MoveToOuterDisposeScope();
    }

    /// <summary>A block, from 0.</summary>
    internal TransformerBlock Block(int index) => blocks[index];

    /// <summary>Whether a parameter, by its name here, is used no later than in a block.</summary>
    internal static bool IsUsedUpTo(int block, string name) => name.Split('.') is ["blocks", var number, ..]
        ? int.Parse(number, CultureInfo.InvariantCulture) <= block : !name.StartsWith("norm.", StringComparison.Ordinal);

    /// <summary>Runs the blocks, and multiplies their branches.</summary>
    /// <param name="tokens">(B, n, D)</param>
    /// <param name="paths">(B, 2·depth), of the same number format</param>
    /// <returns>(B, n, D)</returns>
    private Tensor Skip(Tensor tokens, Tensor paths)
    {
        var branches = paths.view(paths.shape[0], 2 * Options.Depth, 1, 1).unbind(1); // (B, 1, 1)
        for (var i = 0; i < Options.Depth; i++) tokens = blocks[i].Scaled(tokens, branches[2 * i], branches[2 * i + 1]);
        return tokens;
    }

    /// <summary>The patches of whole pictures with their positions, (B, N, D): what the blocks begin with.</summary>
    private Tensor PatchTokens(Tensor images) => Embed(Patches.Cut(images, Options.PatchSize)).Plus(PatchPositions());

    /// <param name="tokens">(B, n, D)</param>
    /// <returns>(B, [1 +] [R +] n, D): class token, registers, which have no position, patches; the same where there are none</returns>
    private Tensor WithExtraTokens(Tensor tokens)
    {
        if (Options.ExtraTokens == 0) return tokens;
        var together = new List<Tensor>(3);
        if (cls_token is not null) together.Add(cls_token.Plus(pos_embed.narrow(1, 0, 1)).expand(tokens.shape[0], 1, Options.Width));
        if (register_tokens is not null) together.Add(register_tokens.expand(tokens.shape[0], Options.RegisterTokens, Options.Width));
        together.Add(tokens);
        return cat(together, dim: 1);
    }

    /// <param name="tokens">(B, [1 +] [R +] n, D)</param>
    /// <returns>(B, [1 +] n, D)</returns>
    private Tensor WithoutRegisters(Tensor tokens)
    {
        if (register_tokens is null) return tokens;
        var patches = tokens.narrow(1, Options.ExtraTokens, tokens.shape[1] - Options.ExtraTokens);
        return Options.ClassToken ? cat([tokens.narrow(1, 0, 1), patches], dim: 1) : patches;
    }

    /// <summary>What stands for a picture: the mean of its patch tokens, without the class token.</summary>
    /// <param name="encoded">(B, n, D), or (B, n + 1, D) with the class token first, as <see cref="Encode"/> gives them</param>
    /// <param name="count">How many of its patches count, from the first on.</param>
    /// <returns>(B, D), fp32 whatever the model computes in: what tells pictures apart is small beside what they share</returns>
    public Tensor MeanToken(Tensor encoded, long count)
    {
        using var scope = NewDisposeScope();
        return encoded.narrow(1, Options.ClassToken ? 1 : 0, count).mean([1], type: ScalarType.Float32).MoveToOuterDisposeScope();
    }

    private Tensor PatchPositions() => Options.ClassToken ? pos_embed.narrow(1, 1, Options.PatchCount) : pos_embed.alias();

    internal static Tensor MakePositions(VisionTransformerOptions options)
    {
        var extra = options.ClassToken ? 1 : 0;
        if (options.Positions == PositionEmbedding.Learned)
            return new Parameter(zeros(1, options.PatchCount + extra, options.Width));
        var grid = SinCosPositions.Make(options.GridHeight, options.GridWidth, options.Width);
        if (extra == 0) return grid;
        using (grid) return cat([zeros(1, 1, options.Width), grid], dim: 1); // the class token's position is zero
    }
}
