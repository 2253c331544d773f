using Tessera.Imaging;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>Draws, for each picture by itself, which branches of a transformer's blocks it skips (stochastic depth, or drop path).</summary>
/// <remarks>
/// Huang et al. 2016 (arXiv:1603.09382): the rate rises linearly over the blocks. From 0 in the first, as timm has it, and for a block's two branches each by itself.
/// A branch that is kept counts 1/(1 - rate), so that each counts 1 on average and nothing changes where nothing is dropped.
/// </remarks>
public sealed class DropPathSampler
{
    private readonly double[] rates; // of each block
    private readonly ulong seed;

    /// <summary>Prepares draws for a model.</summary>
    /// <param name="largest">The rate of the last block, at least 0 and below 1.</param>
    /// <param name="depth">Number of blocks.</param>
    /// <param name="seed">What is skipped is a function of (seed, epoch, picture's index).</param>
    /// <exception cref="ArgumentOutOfRangeException">The rate or the depth is outside its range.</exception>
    public DropPathSampler(double largest, int depth, ulong seed)
    {
        if (largest is not (>= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(largest), largest, "The largest rate must be at least 0 and below 1.");
        ArgumentOutOfRangeException.ThrowIfLessThan(depth, 1);
        rates = [.. Enumerable.Range(0, depth).Select(block => depth == 1 ? 0 : largest * block / (depth - 1))];
        this.seed = seed;
    }

    /// <summary>How often each block's branches are skipped.</summary>
    public IReadOnlyList<double> Rates => rates;

    /// <summary>Draws for a batch.</summary>
    /// <param name="pictures">The pictures' indices in their data set.</param>
    /// <param name="epoch">The epoch.</param>
    /// <returns>(B, 2·depth) float32, on the CPU: what each branch is multiplied by, 0 or 1/(1 - rate); attention and then MLP, block by block</returns>
    public Tensor Draw(ReadOnlySpan<int> pictures, int epoch)
    {
        var branches = 2 * rates.Length;
        var scales = new float[pictures.Length * branches];
        for (var i = 0; i < pictures.Length; i++)
        {
            var random = new CounterRandom(seed, RandomPurpose.DropPath, (uint)epoch, (uint)pictures[i]);
            for (var branch = 0; branch < branches; branch++)
            {
                var rate = rates[branch / 2];
                scales[i * branches + branch] = random.NextDouble() < rate ? 0 : (float)(1 / (1 - rate));
            }
        }
        return tensor(scales, [pictures.Length, branches]);
    }
}
