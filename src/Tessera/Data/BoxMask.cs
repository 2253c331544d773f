using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>Boxes in pictures as tensors of zeros and ones.</summary>
internal static class BoxMask
{
    /// <summary>Values that describe a box: top, left, height and width in pixels; a box of no area covers nothing.</summary>
    public const int Values = 4;

    /// <param name="boxes">(B, <see cref="Values"/>), float32</param>
    /// <param name="height">H</param>
    /// <param name="width">W</param>
    /// <returns>(B, 1, H, W), bool: whether the box covers a pixel's middle</returns>
    public static Tensor Of(Tensor boxes, long height, long width)
    {
        using var scope = NewDisposeScope();
        var rows = Covered(boxes.narrow(1, 0, 1), boxes.narrow(1, 2, 1), height);    // (B, H)
        var columns = Covered(boxes.narrow(1, 1, 1), boxes.narrow(1, 3, 1), width);  // (B, W)
        return rows.unsqueeze(2).logical_and(columns.unsqueeze(1)).unsqueeze_(1).MoveToOuterDisposeScope();
    }

    /// <param name="start">(B, 1)</param>
    /// <param name="length">(B, 1)</param>
    /// <param name="count">n</param>
    /// <returns>(B, n), bool</returns>
    private static Tensor Covered(Tensor start, Tensor length, long count)
    {
        var middles = HeldNumbers.CountTo(count, start.device).PlusInPlace(0.5) - start; // (B, n), from the box's edge
        return middles.gt(zeros_like(start)).logical_and_(middles.lt(length));
    }
}
