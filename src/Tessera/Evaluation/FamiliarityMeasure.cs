using System.Numerics.Tensors;
using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Models;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Tessera.Evaluation;

/// <summary>What a classifier's answers to pictures of its classes look like: by that it is told when a picture looks like none of them.</summary>
/// <remarks>
/// By how sure it is (Hendrycks and Gimpel 2017, arXiv:1610.02136), and by how near a picture is to the mean of the nearest class (Lee et al. 2018, arXiv:1807.03888, here
/// with cosines in place of Mahalanobis distances, since a class may have few pictures).
/// </remarks>
public static class FamiliarityMeasure
{
    /// <summary>The share of rightly classified pictures that fall below each threshold.</summary>
    public const double Share = 0.025;

    private const int PicturesOfAClass = 50; // that its mean is taken of: more move it little

    /// <summary>Takes the classes' means over training pictures, and the thresholds from the measured ones that are classified rightly.</summary>
    /// <param name="model">The classifier, on <paramref name="device"/>. Pictures of label i are of its class i.</param>
    /// <param name="normalization">How its pictures are standardised.</param>
    /// <param name="images">Pictures of its encoder's size.</param>
    /// <param name="training">Those that it learned from: at most 50 of each class are taken.</param>
    /// <param name="measured">Those that the thresholds are told by.</param>
    /// <param name="heldOut">Whether <paramref name="measured"/> were held out of training.</param>
    /// <param name="seed">Draws the pictures that means are taken of.</param>
    /// <param name="device">Where the classifier is.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <returns>
    /// The means: (K, D), fp32, on the device, of length 1 and of vectors of length 1; zeros for a class without pictures. And the thresholds, with the number of rightly
    /// classified pictures; where there are none, thresholds that no picture falls below.
    /// </returns>
    /// <exception cref="ArgumentException">A picture has a label that is no class of the model.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static (Tensor Means, Familiarity Familiarity) Measure(
        Classifier model, PixelNormalization normalization, ImageSet images, ReadOnlyMemory<int> training, ReadOnlyMemory<int> measured, bool heldOut, ulong seed,
        Device device, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(images);
        var kind = FeatureKind.Of(model.Pooling);
        using var quiet = no_grad(); // not inference mode: who trains on may keep the means
        using var scope = NewDisposeScope();
        var means = tensor(MeansOf(VectorsOf(DrawnOfEach(Labelled(training.Span), images, seed)), model.Classes), [model.Classes, kind.Width(model.Encoder.Options)], device: device);
        var familiarity = ThresholdsOf(model, means, VectorsOf(Labelled(measured.Span)), heldOut, device);
        return (means.MoveToOuterDisposeScope(), familiarity);

        LabelledVectors VectorsOf(int[] pictures) =>
            FeatureExtraction.OfEncoder(model.Encoder, normalization, images, pictures, device, kind, cancellation: cancellation);

        int[] Labelled(ReadOnlySpan<int> pictures)
        {
            var labelled = new List<int>(pictures.Length);
            foreach (var picture in pictures)
            {
                var label = images.Labels[picture];
                if (label >= model.Classes) throw new ArgumentException($"{images.Name(picture)} is of class {label}, and the model knows the classes 0 to {model.Classes - 1}.", nameof(images));
                if (label >= 0) labelled.Add(picture);
            }
            return [.. labelled];
        }
    }

    /// <summary>A few pictures of each class, drawn anew for each, so that one's are not moved by another's.</summary>
    private static int[] DrawnOfEach(int[] pictures, ImageSet images, ulong seed)
    {
        var drawn = new List<int>();
        foreach (var ofClass in pictures.GroupBy(picture => images.Labels[picture]))
        {
            var order = ofClass.Order().ToArray();
            new CounterRandom(seed, RandomPurpose.Limit, 0, (uint)ofClass.Key).Shuffle(order);
            drawn.AddRange(order.Take(PicturesOfAClass));
        }
        return [.. drawn];
    }

    /// <returns>(K, D), row by row</returns>
    private static float[] MeansOf(LabelledVectors vectors, int classes)
    {
        var means = new float[classes * vectors.Width];
        for (var row = 0; row < vectors.Count; row++)
        {
            var sum = means.AsSpan(vectors.Labels[row] * vectors.Width, vectors.Width);
            TensorPrimitives.MultiplyAdd(vectors[row], 1 / TensorPrimitives.Norm(vectors[row]), sum, sum);
        }
        for (var label = 0; label < classes; label++)
        {
            var sum = means.AsSpan(label * vectors.Width, vectors.Width); // as long as it may be: its direction is the mean's
            if (TensorPrimitives.Norm<float>(sum) is > 0 and var length) TensorPrimitives.Divide(sum, length, sum);
        }
        return means;
    }

    private static Familiarity ThresholdsOf(Classifier model, Tensor means, LabelledVectors vectors, bool heldOut, Device device)
    {
        List<float> confidences = [], similarities = []; // of the rightly classified
        foreach (var answers in ClassAnswers.Of(model, means, vectors, device))
        {
            for (var row = 0; row < answers.Count; row++)
            {
                var probabilities = answers.Probabilities(row);
                var best = TensorPrimitives.IndexOfMax(probabilities);
                if (best != vectors.Labels[answers.First + row]) continue;
                confidences.Add(probabilities[best]);
                similarities.Add(answers.Similarity(row)!.Value); // there are means
            }
        }
        return confidences.Count == 0 ? new Familiarity(0, -1, Share, 0, heldOut)
            : new Familiarity(Below(confidences, 0, 1), Below(similarities, -1, 1), Share, confidences.Count, heldOut);
    }

    /// <summary>The value that the share of them fall below, rounded down to whole pictures.</summary>
    private static double Below(List<float> values, double least, double most) =>
        Math.Clamp(values.Order().ElementAt((int)(Share * values.Count)), least, most); // a cosine in fp32 may be a little above 1
}
