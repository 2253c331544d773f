using Tessera.Data;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Training;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Objectives;

/// <summary>A masked autoencoder's objective: restore the hidden patches of one view.</summary>
/// <param name="model">The model, which is this objective's from now on.</param>
/// <param name="masks">Draws what is hidden.</param>
/// <param name="augmentation">Makes the view.</param>
/// <param name="description">What a file says of the model.</param>
public sealed class ReconstructionObjective(
    MaskedAutoencoder model, MaskSampler masks, Augmentation augmentation, ModelDescription description) : Objective
{
    /// <inheritdoc/>
    public override nn.Module Model => model;

    /// <inheritdoc/>
    public override BatchPlan Plan { get; } = new([new ViewPlan(augmentation, masks)]);

    /// <inheritdoc/>
    public override ObjectiveCost Cost { get; } = new(TransformerCost.BytesKept(model.Options, masks.VisibleCount), masks.PatchCount);

    /// <inheritdoc/>
    public override IReadOnlyList<BackwardCut> Cuts => EncoderCuts.Of(model);

    /// <inheritdoc/>
    public override ObjectivePart Forward(PreparedBatch part)
    {
        var view = part.Views[0];
        return new ObjectivePart(model.call(Patches.Cut(view.Pixels, model.Options.Encoder.PatchSize), view.Mask!));
    }

    /// <inheritdoc/>
    public override ModelDescription Describe() => description;
}
