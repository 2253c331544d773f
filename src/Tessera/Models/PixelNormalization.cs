using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Models;

/// <summary>The mean and deviation of a data set's pixels, one a channel, on the scale 0 to 1.</summary>
/// <remarks>They are measured on the training pictures, never assumed: ImageNet's would tint grey pictures blue.</remarks>
public sealed record PixelNormalization(IReadOnlyList<double> Mean, IReadOnlyList<double> Deviation)
{
    /// <summary>Bytes to standardised values.</summary>
    /// <param name="pixels">(B, C, H, W), uint8 or float, 0 to 255</param>
    /// <returns>(B, C, H, W), float32</returns>
    public Tensor Standardize(Tensor pixels)
    {
        using var constants = new DeviceConstants();
        return Standardize(pixels, constants);
    }

    /// <summary>The same with constants that the caller keeps.</summary>
    internal Tensor Standardize(Tensor pixels, DeviceConstants constants)
    {
        using var scope = NewDisposeScope();
        var scale = constants.Of(pixels.device, (nameof(Standardize), "scale", Deviation), () => PerChannel(pixels.device, c => 1 / (255 * Deviation[c])));
        var shift = constants.Of(pixels.device, (nameof(Standardize), "shift", Mean, Deviation), () => PerChannel(pixels.device, c => -Mean[c] / Deviation[c]));
        return pixels.to(ScalarType.Float32).mul(scale).PlusInPlace(shift).MoveToOuterDisposeScope();
    }

    /// <summary>Standardised values to a picture's: 0 to 1, clamped.</summary>
    /// <param name="values">(B, C, H, W)</param>
    public Tensor ToUnitRange(Tensor values)
    {
        using var scope = NewDisposeScope();
        var scale = PerChannel(values.device, c => Deviation[c]);
        var shift = PerChannel(values.device, c => Mean[c]);
        return values.mul(scale).PlusInPlace(shift).BetweenInPlace(0, 1).MoveToOuterDisposeScope();
    }

    private Tensor PerChannel(Device device, Func<int, double> value) =>
        tensor(Enumerable.Range(0, Mean.Count).Select(c => (float)value(c)).ToArray(), [1, Mean.Count, 1, 1], device: device);
}
