using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>A batch of pictures as a model restores them, all as (B, C, H, W) from 0 to 1.</summary>
/// <param name="Original">The pictures.</param>
/// <param name="Pasted">Restored patches in the hidden places, the original's in the visible ones.</param>
/// <param name="Raw">What the model puts out for every place. Visible places are not trained when the loss looks at masked ones only.</param>
/// <param name="HiddenPixels">(B, 1, H, W): 1 where a pixel was hidden, else 0.</param>
/// <param name="Loss">The training loss, a scalar.</param>
internal sealed record Restoration(Tensor Original, Tensor Pasted, Tensor Raw, Tensor HiddenPixels, Tensor Loss)
{
    /// <param name="model">The model.</param>
    /// <param name="normalization">How its pictures are standardised.</param>
    /// <param name="pixels">(B, C, H, W), uint8, on the model's device</param>
    /// <param name="mask">On the same device.</param>
    public static Restoration Of(MaskedAutoencoder model, PixelNormalization normalization, Tensor pixels, PatchMask mask)
    {
        var (options, encoder) = (model.Options, model.Options.Encoder);
        var patches = Patches.Cut(normalization.Standardize(pixels), encoder.PatchSize);
        var (visible, hidden) = (Patches.Pick(patches, mask.Visible), Patches.Pick(patches, mask.Hidden));
        var prediction = model.Predict(visible, mask, LossPlaces.All); // (B, N, V), visible places first
        var truth = cat([visible, hidden], dim: 1);
        var restored = options.Target == ReconstructionTarget.NormalizedPixels ? PatchNormalization.Of(truth).Denormalize(prediction) : prediction;
        var hiddenPart = restored.narrow(1, visible.shape[1], hidden.shape[1]);
        var where = cat([zeros_like(visible.narrow(2, 0, 1)), ones_like(hidden.narrow(2, 0, 1))], dim: 1)
            .expand(-1, -1, encoder.PatchSize * encoder.PatchSize);
        return new Restoration(
            normalization.ToUnitRange(Picture(truth)),
            normalization.ToUnitRange(Picture(cat([visible, hiddenPart], dim: 1))),
            normalization.ToUnitRange(Picture(restored)),
            Picture(where),
            model.Loss(prediction, visible, hidden));

        Tensor Picture(Tensor sequence) => Patches.Join(mask.ToRasterOrder(sequence), encoder.PatchSize, encoder.GridHeight);
    }
}
