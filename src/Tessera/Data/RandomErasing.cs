using Tessera.Imaging;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>Takes a rectangle out of a picture now and then.</summary>
/// <remarks>
/// Zhong et al. 2017 (arXiv:1708.04896), algorithm 1, with torchvision's shares and aspects, which are even in their logarithm. What is taken out becomes the mean colour that pixels
/// are standardised by: zero after it. Not noise, their other filling: a number for every value would have to come from a generator with a state, which a resumed run could not
/// repeat, or cost the loader more than all its other draws together.
/// </remarks>
/// <param name="probability">How often.</param>
/// <param name="height">Of what comes out.</param>
/// <param name="width">Of what comes out.</param>
/// <param name="seed">The run's.</param>
internal sealed class RandomErasing(double probability, int height, int width, ulong seed)
{
    private const int Attempts = 10;
    private const double Smallest = 0.02, Largest = 0.33; // shares of the picture
    private static readonly (double Least, double Most) LogAspect = (Math.Log(0.3), Math.Log(3.3)); // height over width

    /// <summary>Draws the rectangles of a batch.</summary>
    /// <returns>(B, 4), float32, on the CPU: top, left, height and width, as <see cref="BoxMask"/> takes them</returns>
    public Tensor Draw(ReadOnlySpan<int> pictures, int epoch, int view)
    {
        var boxes = new float[pictures.Length * BoxMask.Values];
        for (var i = 0; i < pictures.Length; i++)
        {
            var random = new CounterRandom(seed, RandomPurpose.Erasing, (uint)epoch, (uint)pictures[i], view);
            if (random.NextDouble() >= probability) continue;
            var (top, left, boxHeight, boxWidth) = DrawBox(ref random);
            ((ReadOnlySpan<float>)[top, left, boxHeight, boxWidth]).CopyTo(boxes.AsSpan(i * BoxMask.Values, BoxMask.Values));
        }
        return tensor(boxes, [pictures.Length, BoxMask.Values]);
    }

    /// <summary>Erases, in place.</summary>
    /// <param name="pixels">(B, C, H, W), float32, standardised</param>
    /// <param name="boxes">(B, 4)</param>
    public static void Erase(Tensor pixels, Tensor boxes)
    {
        using var scope = NewDisposeScope();
        pixels.mul_(BoxMask.Of(boxes, pixels.shape[2], pixels.shape[3]).logical_not_());
    }

    private (int Top, int Left, int Height, int Width) DrawBox(ref CounterRandom random)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var area = height * width * random.NextDouble(Smallest, Largest);
            var aspect = Math.Exp(random.NextDouble(LogAspect.Least, LogAspect.Most));
            var (boxHeight, boxWidth) = ((int)Math.Round(Math.Sqrt(area * aspect)), (int)Math.Round(Math.Sqrt(area / aspect)));
            if (boxHeight < 1 || boxWidth < 1 || boxHeight >= height || boxWidth >= width) continue;
            return (random.NextBelow(height - boxHeight + 1), random.NextBelow(width - boxWidth + 1), boxHeight, boxWidth);
        }
        return default;
    }
}
