using Tessera.Masking;
using Tessera.Models;

namespace Tessera.Benchmarking;

/// <summary>(M, K) × (K, N)</summary>
internal readonly record struct MatrixShape(long Rows, long Inner, long Columns)
{
    public long Flop => 2 * Rows * Inner * Columns;

    /// <summary>The products that make up most of a model's work: its blocks' linear layers on a whole batch.</summary>
    public static IEnumerable<MatrixShape> OfModel(MaskedAutoencoderOptions model, MaskSampler masks, int batch)
    {
        var (all, seen) = (masks.Patches, model.Placement == MaskPlacement.Encoder ? masks.Patches : masks.Visible);
        return OfBlock((long)batch * seen, model.Encoder.Width, model.Encoder.MlpRatio)
            .Concat(OfBlock((long)batch * all, model.DecoderWidth, model.Encoder.MlpRatio));
    }

    public override string ToString() => $"{Rows}×{Inner}×{Columns}";

    private static IEnumerable<MatrixShape> OfBlock(long tokens, long width, long mlpRatio) =>
        [new(tokens, width, 3 * width), new(tokens, width, mlpRatio * width), new(tokens, mlpRatio * width, width)];
}
