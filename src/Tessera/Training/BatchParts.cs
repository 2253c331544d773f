using Tessera.Models;

namespace Tessera.Training;

/// <summary>Cuts a batch into parts that are computed one after the other, or at once on several cores.</summary>
/// <remarks>
/// What a step keeps for its backward pass grows with the pictures that are computed at once, and what no longer fits a processor's caches
/// makes it slower besides. A batch's gradient is the sum of its parts', so its size is free of both.
/// </remarks>
internal static class BatchParts
{
    private const long KeptBytes = 640L << 20; // of all workers: measured, see docs/performance.md
    private const int FewestTokens = 512; // fewer make matrix products inefficient, and adding up gradients costly beside them

    /// <summary>The parts of a batch: as many as the workers or a multiple, of equal sizes where that can be.</summary>
    /// <param name="batch">Pictures.</param>
    /// <param name="workers">How many parts are computed at once.</param>
    /// <param name="bytesKept">About how much a picture's forward pass leaves for the backward one.</param>
    /// <param name="tokens">Tokens of a picture.</param>
    /// <returns>Where each part begins and ends; none is empty.</returns>
    public static IReadOnlyList<Range> Of(int batch, int workers, long bytesKept, int tokens)
    {
        var fewest = (FewestTokens + tokens - 1) / tokens;
        var most = Math.Max(fewest, KeptBytes / workers / bytesKept);
        var needed = (int)Math.Min(batch, (batch + most * workers - 1) / (most * workers) * workers);
        var parts = Enumerable.Range(needed, needed).FirstOrDefault(n => n % workers == 0 && batch % n == 0, needed);
        return [.. Enumerable.Range(0, parts).Select(i => Bound(i)..Bound(i + 1))];

        int Bound(int i) => (int)((long)batch * i / parts);
    }

    /// <summary>How many pictures at most keep what their forward pass computed, of all workers.</summary>
    public static long KeptPictures(long bytesKept) => KeptBytes / bytesKept;

    /// <summary>About how much a picture's forward pass leaves for the backward one, in fp32.</summary>
    internal static long BytesKept(MaskedAutoencoderOptions model, int visible)
    {
        var encoder = model.Encoder;
        var extra = encoder.ClassToken ? 1 : 0;
        var all = encoder.Patches + extra;
        var seen = model.Placement == MaskPlacement.Encoder ? all : visible + extra;
        return sizeof(float) * (encoder.Depth * Block(seen, encoder.Width, encoder.Heads, encoder.MlpRatio)
            + model.DecoderDepth * Block(all, model.DecoderWidth, model.DecoderHeads, encoder.MlpRatio));
    }

    // Per token and in its width: two inputs of norms and their outputs, queries, keys and values twice, queries scaled, what attention gives;
    // the MLP's hidden values before and after GELU. And the attention weights.
    private static long Block(long tokens, long width, long heads, long mlpRatio) => tokens * ((12 + 2 * mlpRatio) * width + heads * tokens);
}
