using Tessera.Imaging;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>Draws, for each picture by itself, how it is mixed with the one that follows it in its batch.</summary>
/// <remarks>
/// <para>Mixup: every pixel is λ its own and 1 - λ the other's (Zhang et al. 2018, arXiv:1710.09412). CutMix: a box of the share 1 - λ of the picture is the other's
/// (Yun et al. 2019, arXiv:1905.04899, equations 1 and 2). λ is drawn from Beta(α, α). Of both, each picture draws one, with even chances.</para>
/// <para>What is drawn is a function of the picture; with whom it is mixed, of the batch's order: the next one, and the last with the first. A picture that is alone in its batch
/// stays as it is.</para>
/// </remarks>
public sealed class MixSampler
{
    private readonly double mixup, cutMix;
    private readonly ulong seed;

    /// <summary>Prepares draws.</summary>
    /// <param name="mixup">Mixup's α, .8 in most recipes; 0: no mixup.</param>
    /// <param name="cutMix">CutMix's α, 1 in its paper; 0: no CutMix.</param>
    /// <param name="seed">Draws are a function of (seed, epoch, picture's index).</param>
    /// <exception cref="ArgumentOutOfRangeException">An α is negative or not finite, or both are 0.</exception>
    public MixSampler(double mixup, double cutMix, ulong seed)
    {
        if (!(mixup >= 0 && double.IsFinite(mixup))) throw new ArgumentOutOfRangeException(nameof(mixup), mixup, "Mixup's alpha must be finite and at least 0.");
        if (!(cutMix >= 0 && double.IsFinite(cutMix))) throw new ArgumentOutOfRangeException(nameof(cutMix), cutMix, "CutMix's alpha must be finite and at least 0.");
        if (mixup == 0 && cutMix == 0) throw new ArgumentOutOfRangeException(nameof(cutMix), cutMix, "One of the two alphas must be above 0.");
        (this.mixup, this.cutMix, this.seed) = (mixup, cutMix, seed);
    }

    /// <summary>Draws for a batch.</summary>
    /// <param name="pictures">The pictures' indices in their data set.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="height">Of the pictures.</param>
    /// <param name="width">Of the pictures.</param>
    /// <param name="next">The picture that follows the last; the draw's from now on.</param>
    /// <param name="isOnly">Whether the batch has no other picture to mix with.</param>
    /// <returns>On the CPU.</returns>
    internal MixDraw Draw(ReadOnlySpan<int> pictures, int epoch, int height, int width, Batch next, bool isOnly)
    {
        var (shares, blends, boxes) = (new float[pictures.Length], new float[pictures.Length], new float[pictures.Length * BoxMask.Values]);
        for (var i = 0; i < pictures.Length; i++)
        {
            var (blend, box) = isOnly ? (1, default) : Draw(pictures[i], epoch, height, width);
            (shares[i], blends[i]) = ((float)(blend * (1 - (double)box.Height * box.Width / (height * width))), (float)blend);
            ((ReadOnlySpan<float>)[box.Top, box.Left, box.Height, box.Width]).CopyTo(boxes.AsSpan(i * BoxMask.Values, BoxMask.Values));
        }
        return new MixDraw(next, tensor(shares), tensor(blends), tensor(boxes, [pictures.Length, BoxMask.Values]));
    }

    private (double Blend, (int Top, int Left, int Height, int Width) Box) Draw(int picture, int epoch, int height, int width)
    {
        var random = new CounterRandom(seed, RandomPurpose.Mix, (uint)epoch, (uint)picture);
        var cuts = cutMix > 0 && (mixup == 0 || random.NextDouble() < 0.5);
        var share = BetaDistribution.Draw(ref random, cuts ? cutMix : mixup);
        return cuts ? (1, DrawBox(ref random, Math.Sqrt(1 - share), height, width)) : (share, default);
    }

    /// <summary>A box of that part of either side, about a pixel that is drawn, as far as it is inside.</summary>
    private static (int Top, int Left, int Height, int Width) DrawBox(ref CounterRandom random, double part, int height, int width)
    {
        var (top, boxHeight) = Side(ref random, (int)Math.Round(part * height), height);
        var (left, boxWidth) = Side(ref random, (int)Math.Round(part * width), width);
        return (top, left, boxHeight, boxWidth);

        static (int Start, int Length) Side(ref CounterRandom random, int length, int all)
        {
            var start = random.NextBelow(all) - length / 2;
            var clipped = Math.Max(0, start);
            return (clipped, Math.Min(all, start + length) - clipped);
        }
    }
}

/// <summary>How each picture of a batch is mixed with the one that follows it.</summary>
/// <param name="Next">One picture, with all that was drawn for it: the one that follows the last. In a whole batch, the first.</param>
/// <param name="Shares">(B) float32: how much of the label mass is the picture's own, which is its share of the pixels.</param>
/// <param name="Blends">(B) float32: how much of a pixel outside the box is the picture's own.</param>
/// <param name="Boxes">(B, 4) float32: top, left, height and width of what is the other's alone, in pixels; of no area where there is none.</param>
public sealed record MixDraw(Batch Next, Tensor Shares, Tensor Blends, Tensor Boxes) : IDisposable
{
    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        Next.Dispose();
        Shares.Dispose();
        Blends.Dispose();
        Boxes.Dispose();
    }

    /// <summary>A draw whose tensors are made from this one's.</summary>
    internal MixDraw Each(Func<Tensor, Tensor> change, Batch next) => new(next, change(Shares), change(Blends), change(Boxes));

    /// <summary>Mixes each picture with the one that follows it.</summary>
    /// <param name="pixels">(B, C, H, W), float32</param>
    /// <param name="next">(1, C, H, W): what follows the last</param>
    /// <param name="blends">(B)</param>
    /// <param name="boxes">(B, 4)</param>
    /// <returns>(B, C, H, W)</returns>
    internal static Tensor Mix(Tensor pixels, Tensor next, Tensor blends, Tensor boxes)
    {
        using var scope = NewDisposeScope();
        var outside = BoxMask.Of(boxes, pixels.shape[2], pixels.shape[3]).logical_not_().to(ScalarType.Float32); // (B, 1, H, W)
        var own = outside.mul_(blends.view(-1, 1, 1, 1));
        return lerp(Following(pixels, next), pixels, own).MoveToOuterDisposeScope(); // exact where own is 0 or 1
    }

    /// <summary>What follows each row: the next, and after the last the given one.</summary>
    /// <param name="rows">(B, …)</param>
    /// <param name="next">(1, …)</param>
    /// <returns>(B, …)</returns>
    internal static Tensor Following(Tensor rows, Tensor next) => cat([rows.narrow(0, 1, rows.shape[0] - 1), next]);
}
