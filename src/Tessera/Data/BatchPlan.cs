using Tessera.Masking;
using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>What an objective wants of each picture: one or several views, and perhaps its label.</summary>
/// <param name="Views">The views, at least one. Each has draws of its own.</param>
/// <param name="Labels">Whether pictures bring their labels.</param>
public sealed record BatchPlan(IReadOnlyList<ViewPlan> Views, bool Labels = false)
{
    /// <summary>Whole pictures, masked: what an evaluation sees.</summary>
    public static BatchPlan Whole(MaskSampler? masks) => new([new ViewPlan(null, masks)]);
}

/// <summary>How a view is made of a picture.</summary>
/// <param name="Augmentation">Draws and cuts its crop; null takes the picture whole.</param>
/// <param name="Masks">Draws what is hidden of it; null hides nothing.</param>
public sealed record ViewPlan(Augmentation? Augmentation, MaskSampler? Masks);

/// <summary>A batch, or a part of one, as an objective sees it: on the device, every view cropped and standardised.</summary>
/// <param name="Views">As many as the plan has.</param>
/// <param name="Labels">(B) int64, -1 for a picture without one; null where the plan asks for none.</param>
/// <param name="Pictures">(B) int64, on the CPU: the pictures' indices in their data set.</param>
public sealed record PreparedBatch(IReadOnlyList<View> Views, Tensor? Labels, Tensor Pictures);

/// <summary>One view of each picture of a batch.</summary>
/// <param name="Pixels">(B, C, H, W), float32, standardised; smaller than the picture in a local crop</param>
/// <param name="Mask">Which patches are hidden; null: none.</param>
public sealed record View(Tensor Pixels, PatchMask? Mask);

/// <summary>Makes the views of batches on a device: crops, flips, colours, standardising.</summary>
/// <param name="plan">The views.</param>
/// <param name="normalization">How pixels are standardised.</param>
/// <param name="device">Where.</param>
/// <param name="resident">The pictures in the device's memory; null where batches bring their own.</param>
internal sealed class BatchPreparation(BatchPlan plan, PixelNormalization normalization, Device device, ResidentPixels? resident = null)
{
    /// <summary>The views of a batch; may be called from several threads. The tensors belong to the dispose scope at hand.</summary>
    public PreparedBatch Prepare(Batch batch)
    {
        var whole = (resident?.Gather(batch.Pictures) ?? batch.Images!.to(device, non_blocking: true)).to(ScalarType.Float32); // once for all views
        Tensor? Here(Tensor? drawn) => drawn?.to(device, non_blocking: true);
        var views = plan.Views.Zip(batch.Views, (view, draw) => new View(
            normalization.Standardize(view.Augmentation?.Apply(whole, Here(draw.Crops)!, Here(draw.Colours)) ?? whole), draw.Mask?.To(device)));
        return new PreparedBatch([.. views], Here(batch.Labels), batch.Pictures);
    }
}
