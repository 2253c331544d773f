using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Objectives;

/// <summary>Decoupled InfoNCE: each view is to be like the global crops of its own picture, and unlike those of all others.</summary>
/// <remarks>
/// Yeh et al. 2021 (arXiv:2110.06848), equation 6 without weights: the positive is left out of the sum that it is held against, so that small
/// batches teach as well as large ones. Negatives are the global crops of the other pictures.
/// </remarks>
internal static class DecoupledContrast
{
    private const double Never = -1e9; // the logit of what is no negative: its exponential is zero, and its gradient too

    /// <summary>The mean over all pairs of a view and another global crop of its picture.</summary>
    /// <param name="directions">(B, V, K), of length 1: of each picture the global crops, then the local ones</param>
    /// <param name="crops">How many of the V are global, G.</param>
    /// <param name="temperature">τ</param>
    /// <param name="constants">Keeps which views are held against which.</param>
    /// <returns>A scalar.</returns>
    public static Tensor Loss(Tensor directions, int crops, double temperature, DeviceConstants constants)
    {
        using var scope = NewDisposeScope();
        var (pictures, views) = (directions.shape[0], (int)directions.shape[1]);
        var anchors = directions.flatten(0, 1);                                                     // (B·V, K)
        var globals = directions.narrow(1, 0, crops).flatten(0, 1);                                 // (B·G, K)
        var likeness = anchors.mm(globals.t()).Times(1 / temperature).view(pictures, views, pictures, crops);

        var same = eye(pictures, device: directions.device).view(pictures, 1, pictures, 1).Times(Never);
        var others = likeness.Plus(same).flatten(2).logsumexp(2).mean([0]);                       // (V)
        var own = likeness.diagonal(0, 0, 2).mean([2]);                                             // (V, G), of one picture
        var (pairs, counts) = Pairs(views, crops);
        var paired = constants.Of(directions.device, (nameof(Pairs), views, crops), () => tensor(pairs, [views, crops], device: directions.device));
        var counted = constants.Of(directions.device, (nameof(counts), views, crops), () => tensor(counts, device: directions.device));
        return ((others * counted).sum() - (own * paired).sum()).Times(1.0 / pairs.Sum()).MoveToOuterDisposeScope();
    }

    /// <returns>(V, G): 1 where a view is held against a global crop, which is not itself; and (V): against how many.</returns>
    private static (float[] Pairs, float[] Counts) Pairs(int views, int crops)
    {
        var pairs = new float[views * crops];
        for (var i = 0; i < pairs.Length; i++) pairs[i] = i / crops == i % crops ? 0 : 1;
        return (pairs, [.. pairs.Chunk(crops).Select(row => row.Sum())]);
    }
}
