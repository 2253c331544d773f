using System.Diagnostics.CodeAnalysis;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>What an objective wants of each picture: one or several views, and perhaps its label.</summary>
/// <param name="Views">The views, at least one. Each has draws of its own.</param>
/// <param name="Labels">Whether pictures bring their labels.</param>
/// <param name="Mix">Draws how each picture is mixed with the next of its batch, which brings the labels of both. Null: they stay apart.</param>
/// <param name="Paths">Draws which branches of the model each picture skips; null: none.</param>
public sealed record BatchPlan(IReadOnlyList<ViewPlan> Views, bool Labels = false, MixSampler? Mix = null, DropPathSampler? Paths = null)
{
    /// <summary>Draws how each picture is mixed with the next of its batch.</summary>
    /// <exception cref="ArgumentException">A view is of another size than the pictures: the box of CutMix would be of another share there.</exception>
    public MixSampler? Mix { get; init; } = Mix is null || Views.All(v => v.Augmentation is not { KeepsSize: false }) ? Mix
        : throw new ArgumentException("local crops cannot be mixed: a box has another share of them than of the picture", nameof(Mix));

    /// <summary>Whole pictures, masked: what an evaluation sees.</summary>
    public static BatchPlan Whole(MaskSampler? masks) => new([new ViewPlan(null, masks)]);
}

/// <summary>How a view is made of a picture.</summary>
/// <param name="Augmentation">Draws and cuts its crop; null takes the picture whole.</param>
/// <param name="Masks">Draws what is hidden of it; null hides nothing.</param>
public sealed record ViewPlan(Augmentation? Augmentation, MaskSampler? Masks);

/// <summary>A batch, or a part of one, as an objective sees it: on the device, every view cropped and standardised, and mixed where the plan says so.</summary>
/// <param name="Views">As many as the plan has.</param>
/// <param name="Labels">(B) int64, -1 for a picture without one; null where the plan asks for none.</param>
/// <param name="Pictures">(B) int64: the pictures' indices in their data set.</param>
/// <param name="Mix">What the pictures were mixed with; null: they are as they were.</param>
/// <param name="Paths">
/// (B, 2·depth) float32: what each branch of each picture is multiplied by, attention and then MLP, block by block; null: no branch is skipped.
/// </param>
public sealed record PreparedBatch(IReadOnlyList<View> Views, Tensor? Labels, Tensor Pictures, PreparedMix? Mix = null, Tensor? Paths = null);

/// <summary>What the pictures of a batch were mixed with.</summary>
/// <param name="Labels">(B) int64: the labels of the pictures that were mixed in, -1 for one without.</param>
/// <param name="Share">(B) float32: how much of the label mass is the picture's own; 1 where nothing was mixed in.</param>
public sealed record PreparedMix(Tensor Labels, Tensor Share);

/// <summary>One view of each picture of a batch.</summary>
/// <param name="Pixels">(B, C, H, W), float32, standardised; smaller than the picture in a local crop</param>
/// <param name="Mask">Which patches are hidden; null: none.</param>
public sealed record View(Tensor Pixels, PatchMask? Mask);

/// <summary>Makes the views of batches on a device: crops, flips, colours, standardising, erasing, mixing.</summary>
/// <param name="plan">The views.</param>
/// <param name="normalization">How pixels are standardised.</param>
/// <param name="device">Where.</param>
/// <param name="resident">The pictures in the device's memory; null where batches bring their own.</param>
internal sealed class BatchPreparation(BatchPlan plan, PixelNormalization normalization, Device device, ResidentPixels? resident = null) : IDisposable
{
    private readonly DeviceConstants constants = new();

    /// <summary>What steps need again and again.</summary>
    public DeviceConstants Constants => constants;

    /// <summary>The views of a batch; may be called from several threads. The tensors belong to the dispose scope at hand.</summary>
    public PreparedBatch Prepare(Batch batch)
    {
        var (views, labels) = (Views(batch), Here(batch.Labels));
        if (batch.Mix is not { } mix) return new PreparedBatch(views, labels, batch.Pictures, Paths: Here(batch.Paths));
        var (shares, blends, boxes) = (Here(mix.Shares), Here(mix.Blends), Here(mix.Boxes));
        var mixed = views.Zip(Views(mix.Next), (view, next) => view with { Pixels = MixDraw.Mix(view.Pixels, next.Pixels, blends, boxes) });
        return new PreparedBatch([.. mixed], labels, batch.Pictures, new PreparedMix(MixDraw.Following(labels!, Here(mix.Next.Labels)!), shares), Here(batch.Paths));
    }

    /// <summary>Frees what was kept; plan and pictures stay.</summary>
    public void Dispose() => constants.Dispose();

    private View[] Views(Batch batch)
    {
        var whole = (resident?.Gather(batch.Pictures) ?? batch.Images!.to(device, non_blocking: true)).to(ScalarType.Float32); // once for all views
        return [.. plan.Views.Zip(batch.Views, (view, draw) =>
        {
            var changed = view.Augmentation?.Apply(whole, Here(draw.Crops)!, Here(draw.Colours), Here(draw.Policy), constants) ?? whole;
            var pixels = normalization.Standardize(changed, constants);
            if (draw.Erased is not null) RandomErasing.Erase(pixels, Here(draw.Erased)); // its memory is this view's own
            return new View(pixels, draw.Mask?.To(device));
        })];
    }

    [return: NotNullIfNotNull(nameof(drawn))]
    private Tensor? Here(Tensor? drawn) => drawn?.to(device, non_blocking: true);
}
