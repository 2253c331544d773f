using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>Cuts a batch into parts that are computed one after the other, or at once on several cores.</summary>
/// <remarks>
/// What a step keeps for its backward pass grows with the pictures that are computed at once, and what no longer fits a processor's caches
/// makes it slower besides. A batch's gradient is the sum of its parts', so its size is free of both.
/// </remarks>
internal static class BatchParts
{
    private const long KeptBytes = 640L << 20; // of all workers: measured, see docs/performance.md
    private const double ShareOfGpu = 0.6; // of what a model and its optimiser leave: the rest is for what a pass makes and lets go, and for gaps between pieces
    private const int FewestTokens = 512; // fewer make matrix products inefficient, and adding up gradients costly beside them

    /// <summary>The parts of a batch: as many as the workers or a multiple, of equal sizes where that can be.</summary>
    /// <param name="batch">Pictures.</param>
    /// <param name="workers">How many parts are computed at once.</param>
    /// <param name="bytesKeptPerPicture">What a picture's forward pass leaves for the backward one, at least 1.</param>
    /// <param name="tokensPerPicture">Rows that a picture adds to a matrix product, at least 1.</param>
    /// <param name="keptBytes">What all workers' parts may leave at once.</param>
    /// <returns>Where each part begins and ends; none is empty.</returns>
    public static IReadOnlyList<Range> Of(int batch, int workers, long bytesKeptPerPicture, int tokensPerPicture, long keptBytes = KeptBytes)
    {
        var fewest = (FewestTokens + tokensPerPicture - 1) / tokensPerPicture;
        var most = Math.Max(fewest, keptBytes / workers / bytesKeptPerPicture);
        var needed = (int)Math.Min(batch, (batch + most * workers - 1) / (most * workers) * workers);
        var parts = Enumerable.Range(needed, needed).FirstOrDefault(n => n % workers == 0 && batch % n == 0, needed);
        return [.. Enumerable.Range(0, parts).Select(i => Bound(i)..Bound(i + 1))];

        int Bound(int i) => (int)((long)batch * i / parts);
    }

    /// <summary>What the parts that are computed at once may leave on a device; null: that is not known, and a batch is one part.</summary>
    /// <param name="device">The device.</param>
    /// <param name="total">A GPU's memory in bytes; 0: that is not known.</param>
    /// <param name="taken">What a model, its optimiser and pictures take of it.</param>
    public static long? KeptBytesOn(Device device, long total, long taken) =>
        device.type == DeviceType.CPU ? KeptBytes : total == 0 ? null : Math.Max(0, (long)(ShareOfGpu * (total - taken)));

    /// <summary>How many pictures at most keep what their forward pass computed, of all workers, while they wait for others.</summary>
    /// <remarks>What they keep is in no cache anyhow when its turn comes. Those beyond are computed twice, to the same values.</remarks>
    public static long KeptPictures(long bytesKeptPerPicture) =>
        Math.Max(KeptBytes, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 4) / bytesKeptPerPicture;
}
