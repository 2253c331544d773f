using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Models;

/// <summary>Each patch's own mean and deviation, over all its values and channels.</summary>
/// <param name="Mean">(B, n, 1)</param>
/// <param name="Deviation">(B, n, 1): the root of the unbiased variance + 1e-6, as in MAE's published code.</param>
internal sealed record PatchNormalization(Tensor Mean, Tensor Deviation)
{
    /// <param name="patches">(B, n, V)</param>
    public static PatchNormalization Of(Tensor patches) =>
        new(patches.mean([-1], keepdim: true), patches.var(-1, unbiased: true, keepdim: true).PlusInPlace(1e-6).sqrt_());

    public Tensor Normalize(Tensor patches) => (patches - Mean) / Deviation;

    /// <summary>Back to pixels. Of a prediction this takes the true patch's light and contrast from the answer.</summary>
    public Tensor Denormalize(Tensor patches) => (patches * Deviation).Plus(Mean);
}
