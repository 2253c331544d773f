using Tessera.Data;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Runtime;
using Tessera.Training;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Objectives;

/// <summary>Comparing views of a picture: which are of one picture? And, in the same pass of the encoder, restoring the first of them.</summary>
/// <remarks>
/// <para>Global crops are masked, each by itself, and encoded together. The mean of a crop's visible tokens stands for it. Where pixels are restored
/// too, the first crop's tokens go on to the decoder. Local crops are encoded whole, under positions that are laid over the whole field.</para>
/// <para>Two masked views with a contrast and a reconstruction: CAN (Mishra et al. 2022, arXiv:2210.16870). Here the contrast is decoupled, and mask
/// tokens come from a set.</para>
/// </remarks>
public sealed class ViewsObjective : Objective
{
    private const double LeastDeviation = 0.1;

    private readonly MaskedAutoencoder model;
    private readonly ProjectionHead projector;
    private readonly ViewOptions options;
    private readonly bool restores;
    private readonly ModelDescription description;
    private readonly DeviceConstants constants = new();
    private Tensor? lastLoss, lastDeviation;

    /// <summary>Prepares the objective.</summary>
    /// <param name="model">The model, which is this objective's from now on.</param>
    /// <param name="options">The views, and how they are compared.</param>
    /// <param name="restores">Whether the first crop is restored besides.</param>
    /// <param name="masks">Draws what is hidden.</param>
    /// <param name="augmentation">Makes global crops.</param>
    /// <param name="local">Makes local crops; null where there are none.</param>
    /// <param name="description">What a file says of the model.</param>
    /// <param name="seed">The projector's weights are a function of this.</param>
    public ViewsObjective(
        MaskedAutoencoder model, ViewOptions options, bool restores, MaskSampler masks, Augmentation augmentation, Augmentation? local,
        ModelDescription description, ulong seed)
    {
        (this.model, this.options, this.restores) = (model, options, restores);
        this.description = restores ? description : description with { Reconstruction = null };
        projector = new ProjectionHead(model.Options.Encoder.Width, seed);
        Model = restores ? model : new WithoutDecoder(model);
        Model.register_module(ProjectionHead.Name, projector);
        Plan = new BatchPlan([.. Enumerable.Repeat(new ViewPlan(augmentation, masks), options.Crops), .. Enumerable.Repeat(new ViewPlan(local, null), options.LocalCrops)]);
        var (rows, columns) = model.Options.Encoder.LocalGrid;
        Counts = new ViewCounts(options.Crops, options.LocalCrops, rows * columns, restores);
        Cost = new ObjectiveCost(TransformerCost.BytesKept(model.Options, masks.VisibleCount, Counts), masks.PatchCount);
    }

    /// <inheritdoc/>
    public override nn.Module Model { get; }

    /// <summary>The views of a picture.</summary>
    public ViewCounts Counts { get; }

    /// <inheritdoc/>
    public override BatchPlan Plan { get; }

    /// <inheritdoc/>
    public override ObjectiveCost Cost { get; }

    /// <inheritdoc/>
    public override bool Couples => true;

    /// <inheritdoc/>
    public override nn.Module Projector => projector;

    /// <inheritdoc/>
    public override IReadOnlyList<BackwardCut> Cuts => EncoderCuts.Of(model);

    /// <inheritdoc/>
    public override ObjectivePart Forward(PreparedBatch part)
    {
        using var scope = NewDisposeScope();
        var crops = part.Views.Take(options.Crops).Select(v => (Patches: Patches.Cut(v.Pixels, model.Options.Encoder.PatchSize), Mask: v.Mask!)).ToList();
        var visible = crops.ConvertAll(c => Patches.Pick(c.Patches, c.Mask.Visible));
        using var masks = PatchMask.Cat(crops.ConvertAll(c => c.Mask));
        var encoded = model.Encode(cat([.. visible]), masks);                                   // (G·b, n, D)
        var (first, count) = (crops[0], visible[0].shape[0]);
        Tensor? loss = null;
        if (restores)
        {
            var restored = model.Decode(encoded.narrow(0, 0, count), first.Mask, model.Options.LossOn);
            loss = model.Loss(restored, visible[0], Patches.Pick(first.Patches, first.Mask.Hidden)).MoveToOuterDisposeScope();
        }
        var pooled = Pooled(encoded, masks.Visible.shape[1], options.Crops);                    // (b, G, D)
        if (options.LocalCrops > 0) pooled = cat([pooled, Local([.. part.Views.Skip(options.Crops)])], dim: 1); // (b, V, D)
        return new ObjectivePart(loss, pooled.flatten(1).MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    public override Tensor Couple(Tensor embeddings)
    {
        using var scope = NewDisposeScope();
        var (views, width) = (options.Crops + options.LocalCrops, model.Options.Encoder.Width);
        var projected = projector.call(embeddings.view(-1, width));                             // (B·V, K)
        var directions = nn.functional.normalize(projected, dim: -1).view(-1, views, ProjectionHead.OutputWidth);
        var loss = DecoupledContrast.Loss(directions, options.Crops, options.Temperature, constants);
        Watch(loss, directions);
        return (restores ? loss.Times(options.Weight) : loss).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public override IReadOnlyList<Watched> Watched()
    {
        if (lastLoss is null || lastDeviation is null) return [];
        return
        [
            new(new Metric("views/loss", lastLoss.item<float>(), Metric.LossUnit)),
            new(new Metric("views/deviation", lastDeviation.item<float>(), "deviation"), LeastDeviation,
                "the views of all pictures have become alike: try a lower learning rate, a longer warm-up, or a larger batch",
                ["Training.LearningRate", "Training.WarmupEpochs", "Training.BatchSize"]),
        ];
    }

    /// <inheritdoc/>
    public override ModelDescription Describe() => description;

    /// <inheritdoc/>
    public override void Dispose()
    {
        Forget();
        constants.Dispose();
        base.Dispose();
        model.Dispose(); // its decoder is no part of what is trained where nothing is restored
    }

    /// <returns>(b, L, D)</returns>
    private Tensor Local(IReadOnlyList<View> views)
    {
        var patches = cat([.. views.Select(v => Patches.Cut(v.Pixels, model.Options.Encoder.PatchSize))]);  // (L·b, n, p·p·C)
        var (rows, columns) = model.Options.Encoder.LocalGrid;
        var tokens = model.Encoder.Embed(patches).Plus(model.Encoder.PositionsOver(rows, columns));
        return Pooled(model.Encoder.Encode(tokens), patches.shape[1], views.Count);
    }

    /// <param name="encoded">(V·b, [1 +] n, D), view by view</param>
    /// <param name="count">How many patches of a view stand for it, from the first on.</param>
    /// <param name="views">V</param>
    /// <returns>(b, V, D), fp32: the mean token of each view</returns>
    private Tensor Pooled(Tensor encoded, long count, int views)
    {
        var mean = model.Encoder.MeanToken(encoded, count); // (V·b, D)
        return mean.view(views, -1, mean.shape[1]).transpose(0, 1);
    }

    /// <summary>Keeps what <see cref="Watched"/> tells, without waiting for it.</summary>
    private void Watch(Tensor loss, Tensor directions)
    {
        Forget();
        using var quiet = no_grad();
        lastLoss = loss.detach().DetachFromDisposeScope();
        // 1 where the directions are spread over the whole sphere, 0 where all are one.
        lastDeviation = directions.detach().flatten(0, 1).std(0).mean().Times(Math.Sqrt(ProjectionHead.OutputWidth)).DetachFromDisposeScope();
    }

    private void Forget()
    {
        lastLoss?.Dispose();
        lastDeviation?.Dispose();
    }

    /// <summary>What is trained where nothing is restored: the encoder, and the mask tokens where they stand before it.</summary>
    private sealed class WithoutDecoder : nn.Module
    {
        public WithoutDecoder(MaskedAutoencoder model) : base(nameof(WithoutDecoder))
        {
            foreach (var (name, part) in model.named_children())
                if (name == "encoder" || (name == "mask_tokens" && model.Options.Placement == MaskPlacement.Encoder)) register_module(name, part);
        }
    }
}
