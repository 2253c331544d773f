using Tessera.Imaging;
using Tessera.Models;

namespace Tessera.Data;

/// <summary>What a training takes its batches from.</summary>
/// <param name="Images">The pictures.</param>
/// <param name="Train">Which of them are trained on: ascending indices.</param>
/// <param name="Normalization">How their pixels are standardised.</param>
/// <param name="Seed">Their order is a function of it and of the epoch.</param>
/// <param name="OnDevice">Whether their pixels are put on the device.</param>
public sealed record TrainingData(ImageSet Images, int[] Train, PixelNormalization Normalization, ulong Seed, DataOnDevice OnDevice = DataOnDevice.Auto)
{
    private const double LeastDeviation = 1.0 / 255; // of pictures that are all alike

    /// <summary>The mean and deviation of a set's pixels.</summary>
    public static PixelNormalization NormalizationOf(ImageSet images) =>
        new(images.Mean, [.. images.StandardDeviation.Select(d => Math.Max(d, LeastDeviation))]);
}
