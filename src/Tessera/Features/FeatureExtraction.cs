using System.Runtime.InteropServices;
using Tessera.Data;
using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Ranks;
using Tessera.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Features;

/// <summary>Pictures to vectors: what k-NN and linear probes measure an encoder by.</summary>
/// <remarks>
/// An encoder's vector of a picture is the mean of its last layer's patch tokens, without the class token, unless another <see cref="FeatureKind"/> is asked for; a
/// probe on it is how SimMIM and I-JEPA are compared. Pictures are whole and never masked.
/// </remarks>
public static class FeatureExtraction
{
    /// <summary>The longest side of the pictures whose pixels are taken one by one; larger ones are averaged down to it.</summary>
    public const int LongestPixelSide = 32;

    private const long Budget = 64L << 20; // of a worker's part of a batch
    private const int LargestPart = 128; // pictures: more are no faster

    /// <summary>The vectors of an encoder.</summary>
    /// <param name="encoder">The encoder, on <paramref name="device"/>, with weights of any number format.</param>
    /// <param name="normalization">How its pictures are standardised.</param>
    /// <param name="images">Pictures of the encoder's size.</param>
    /// <param name="pictures">Which of them, in the vectors' order.</param>
    /// <param name="device">The encoder's device.</param>
    /// <param name="kind">What of the encoder's output; null: <see cref="FeatureKind.Standard"/>.</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="ranks">Those who share the pictures, each with the same encoder; all get all vectors. Null: this process alone.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <returns>(N, D), in fp32; D is the encoder's width unless the kind has another, see <see cref="FeatureKind.Width"/>.</returns>
    /// <exception cref="OptionsException">The vectors are too many for one piece of memory, or the encoder has none of the kind.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static LabelledVectors OfEncoder(
        VisionTransformer encoder, PixelNormalization normalization, ImageSet images, ReadOnlyMemory<int> pictures, Device device,
        FeatureKind? kind = null, IProgress<int>? progress = null, Communicator? ranks = null, CancellationToken cancellation = default)
    {
        var taken = kind ?? FeatureKind.Standard;
        taken.Require(encoder.Options);
        using var constants = new DeviceConstants();
        var plan = new Plan(taken.Width(encoder.Options), PartFor(encoder.Options), device, pixels => taken.Of(encoder, normalization.Standardize(pixels, constants)));
        return Run(plan, images, pictures, progress, ranks, cancellation);
    }

    /// <summary>A classifier's answers.</summary>
    /// <param name="model">The classifier, on <paramref name="device"/>, with weights of any number format.</param>
    /// <param name="normalization">How its pictures are standardised.</param>
    /// <param name="images">Pictures of its size.</param>
    /// <param name="pictures">Which of them, in the answers' order.</param>
    /// <param name="device">The model's device.</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="ranks">Those who share the pictures, each with the same model; all get all answers. Null: this process alone.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <returns>(N, K), in fp32: logits</returns>
    /// <exception cref="OptionsException">They are too many for one piece of memory.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static LabelledVectors OfClassifier(
        Classifier model, PixelNormalization normalization, ImageSet images, ReadOnlyMemory<int> pictures, Device device,
        IProgress<int>? progress = null, Communicator? ranks = null, CancellationToken cancellation = default)
    {
        using var constants = new DeviceConstants();
        var plan = new Plan(model.Classes, PartFor(model.Encoder.Options), device, pixels => model.call(normalization.Standardize(pixels, constants)));
        return Run(plan, images, pictures, progress, ranks, cancellation);
    }

    /// <summary>The standardised pixels themselves: what an encoder has to be better than.</summary>
    /// <param name="normalization">How pictures are standardised.</param>
    /// <param name="images">The pictures.</param>
    /// <param name="pictures">Which of them, in the vectors' order.</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <returns>
    /// (N, C·h·w). Where a side is longer than <see cref="LongestPixelSide"/>, rectangles of the smallest whole size that make it fit are averaged:
    /// squares of 2 pixels for pictures of 64.
    /// </returns>
    /// <exception cref="OptionsException">The vectors are too many for one piece of memory.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static LabelledVectors OfPixels(
        PixelNormalization normalization, ImageSet images, ReadOnlyMemory<int> pictures,
        IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        var (channels, height, width) = images.Shape;
        var (down, right) = (Step(height), Step(width));
        var plan = new Plan(channels * (height / down) * (width / right), LargestPart, CPU, Average);
        return Run(plan, images, pictures, progress, ranks: null, cancellation);

        static int Step(int side) => (side + LongestPixelSide - 1) / LongestPixelSide;

        Tensor Average(Tensor pixels)
        {
            var values = normalization.Standardize(pixels); // (b, C, H, W)
            if ((down, right) != (1, 1)) values = nn.functional.avg_pool2d(values, kernel_size: [down, right], stride: [down, right]);
            return values.flatten(1); // (b, C·h·w)
        }
    }

    /// <summary>How many pictures a worker encodes at once.</summary>
    internal static int PartFor(VisionTransformerOptions encoder)
    {
        var block = BlockCost.OfEncoder(encoder).ValuesAtOnce(TransformerCost.Tokens(encoder));
        var picture = 3L * encoder.Channels * encoder.ImageHeight * encoder.ImageWidth;
        return (int)Math.Clamp(Budget / (sizeof(float) * (block + picture)), 1, LargestPart);
    }

    private static LabelledVectors Run(
        Plan plan, ImageSet images, ReadOnlyMemory<int> pictures, IProgress<int>? progress, Communicator? ranks, CancellationToken cancellation)
    {
        if (ranks is { IsAlone: false }) return OfRanks(plan, images, pictures, progress, ranks, cancellation);
        var values = Room(pictures.Length, plan.Width);
        using var encoder = new BatchEncoder(plan.Part, plan.Device, plan.Vectors);
        var done = 0;
        var loader = new BatchLoader(images, BatchPlan.Whole(masks: null), pinned: plan.Device.type == DeviceType.CUDA);
        foreach (var batch in loader.Load(pictures, encoder.AtOnce, epoch: 0))
        {
            using var owned = batch;
            using var scope = NewDisposeScope();
            cancellation.ThrowIfCancellationRequested();
            MemoryMarshal.Cast<byte, float>(encoder.Encode(batch).cpu().contiguous().bytes).CopyTo(values.AsSpan(done * plan.Width));
            done += batch.Count;
            progress?.Report(done);
        }
        return new LabelledVectors(values, plan.Width, LabelsOf(images, pictures.Span));
    }

    /// <summary>The same of this rank's share, and then what the others made of theirs.</summary>
    private static LabelledVectors OfRanks(
        Plan plan, ImageSet images, ReadOnlyMemory<int> pictures, IProgress<int>? progress, Communicator ranks, CancellationToken cancellation)
    {
        var values = Room(pictures.Length, plan.Width);
        var own = Run(plan, images, pictures[new BatchShare(ranks.Rank, ranks.Size).Of(pictures.Length)], progress, ranks: null, cancellation);
        var made = 0;
        foreach (var vectors in ranks.Gather(MemoryMarshal.AsBytes(own.Values.AsSpan()).ToArray()))
        {
            MemoryMarshal.Cast<byte, float>(vectors).CopyTo(values.AsSpan(made));
            made += vectors.Length / sizeof(float);
        }
        return new LabelledVectors(values, plan.Width, LabelsOf(images, pictures.Span));
    }

    /// <summary>The labels of pictures, -1 where one has none.</summary>
    internal static int[] LabelsOf(ImageSet images, ReadOnlySpan<int> pictures)
    {
        var labels = new int[pictures.Length];
        for (var i = 0; i < labels.Length; i++) labels[i] = images.Labels[pictures[i]];
        return labels;
    }

    /// <summary>Memory for vectors.</summary>
    /// <exception cref="OptionsException">They are too many for one piece of it.</exception>
    internal static float[] Room(int count, int width) => (long)count * width <= Array.MaxLength
        ? GC.AllocateUninitializedArray<float>(count * width)
        : throw new OptionsException([$"{count} vectors of {width} values are more than fit into one piece of memory: take at most {Array.MaxLength / width} pictures"]);

    /// <param name="Width">Values a picture.</param>
    /// <param name="Part">Pictures that a worker takes at once.</param>
    /// <param name="Device">Where.</param>
    /// <param name="Vectors">(b, C, H, W) uint8 to (b, <paramref name="Width"/>) fp32, on the device.</param>
    private sealed record Plan(int Width, int Part, Device Device, Func<Tensor, Tensor> Vectors);
}
