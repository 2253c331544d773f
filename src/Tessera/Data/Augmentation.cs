using Tessera.Imaging;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>Random resized crop and flip of whole batches, as two matrix products.</summary>
/// <remarks>
/// Crops are drawn as in Inception (Szegedy et al. 2015, arXiv:1409.4842): area in [smallest, 1], aspect in [3/4, 4/3] times the
/// picture's own, so that no picture is stretched by more. Resizing is linear and separable, so a crop is one small matrix a picture and direction; it widens its window when it shrinks, against
/// aliasing. A flip reverses the columns of the horizontal one.
/// </remarks>
public sealed class Augmentation(AugmentationOptions options, int height, int width, ulong seed)
{
    /// <summary>Values that describe one crop: top, left, height, width in pixels, and 1 for a flip.</summary>
    public const int CropValues = 5;

    private const int Attempts = 10;
    private static readonly double LogAspect = Math.Log(4.0 / 3);

    /// <summary>Draws the crops of a batch.</summary>
    /// <param name="pictures">The pictures' indices in their data set.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="view">Which view of the pictures, from 0.</param>
    /// <returns>(B, <see cref="CropValues"/>), float32, on the CPU</returns>
    public Tensor Draw(ReadOnlySpan<int> pictures, int epoch, int view = 0)
    {
        var crops = new float[pictures.Length * CropValues];
        for (var i = 0; i < pictures.Length; i++)
        {
            var random = new CounterRandom(seed, RandomPurpose.Augmentation, (uint)epoch, (uint)pictures[i], view);
            var flip = options.Flip && random.NextDouble() < 0.5;
            var (top, left, cropHeight, cropWidth) = DrawCrop(ref random);
            ((ReadOnlySpan<float>)[top, left, cropHeight, cropWidth, flip ? 1 : 0]).CopyTo(crops.AsSpan(i * CropValues, CropValues));
        }
        return tensor(crops, [pictures.Length, CropValues]);
    }

    /// <summary>Cuts the crops out and brings them to the pictures' size.</summary>
    /// <param name="images">(B, C, H, W), uint8</param>
    /// <param name="crops">(B, 5), float32</param>
    /// <returns>(B, C, H, W), float32, 0 to 255</returns>
    public Tensor Apply(Tensor images, Tensor crops)
    {
        using var scope = NewDisposeScope();
        var (batch, channels) = (images.shape[0], images.shape[1]);
        var vertical = ResizeMatrix(crops.select(1, 0), crops.select(1, 2), height, flip: null);                  // (B, H, H)
        var horizontal = ResizeMatrix(crops.select(1, 1), crops.select(1, 3), width, flip: crops.select(1, 4));   // (B, W, W)
        var rows = images.to(ScalarType.Float32).view(batch, channels * height, width).bmm(horizontal.transpose(1, 2)); // (B, C·H, W)
        return vertical.unsqueeze(1).matmul(rows.view(batch, channels, height, width)).MoveToOuterDisposeScope();
    }

    private (float Top, float Left, float Height, float Width) DrawCrop(ref CounterRandom random)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var area = height * width * (options.SmallestCrop + (1 - options.SmallestCrop) * random.NextDouble());
            var aspect = Math.Exp((2 * random.NextDouble() - 1) * LogAspect) * ((double)width / height);
            var (cropHeight, cropWidth) = ((int)Math.Round(Math.Sqrt(area / aspect)), (int)Math.Round(Math.Sqrt(area * aspect)));
            if (cropHeight < 1 || cropWidth < 1 || cropHeight > height || cropWidth > width) continue;
            return (random.NextBelow(height - cropHeight + 1), random.NextBelow(width - cropWidth + 1), cropHeight, cropWidth);
        }
        return (0, 0, height, width);
    }

    /// <returns>(B, size, size): how much of each source pixel goes into each output pixel; each row sums to 1.</returns>
    private static Tensor ResizeMatrix(Tensor start, Tensor length, int size, Tensor? flip)
    {
        using var scope = NewDisposeScope();
        var centres = tensor(Enumerable.Range(0, size).Select(i => i + 0.5f).ToArray(), device: start.device); // (size): of pixels
        var output = centres.unsqueeze(0);                                              // (1, size)
        if (flip is not null) output = output.Plus(flip.unsqueeze(1) * output.Times(-2).Plus(size)); // (B, size)
        var scale = length.Times(1.0 / size).unsqueeze(1);                              // (B, 1)
        var centre = start.unsqueeze(1).Plus(output * scale);                           // (B, size): in the source
        var reach = scale.AtLeast(1).unsqueeze(2);                                      // (B, 1, 1)
        var weight = (centre.unsqueeze(2) - centres).abs_().div_(reach).neg_().PlusInPlace(1).relu_(); // (B, size, size)
        return (weight / weight.sum(-1, keepdim: true)).MoveToOuterDisposeScope();
    }
}

/// <summary>How training pictures are varied.</summary>
public sealed record AugmentationOptions
{
    /// <summary>Smallest share of the picture that a crop keeps; 1 keeps all. MAE's value.</summary>
    public double SmallestCrop { get; init; } = 0.2;

    /// <summary>Whether every second picture is mirrored.</summary>
    public bool Flip { get; init; } = true;

    /// <summary>Everything that is wrong with these options; empty when they can be used.</summary>
    public IEnumerable<string> Faults()
    {
        if (SmallestCrop is not (> 0 and <= 1)) yield return $"the smallest crop is {SmallestCrop}: it must be above 0 and at most 1";
    }
}
