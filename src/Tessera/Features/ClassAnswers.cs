using System.Runtime.InteropServices;
using Tessera.Embeddings;
using Tessera.Models;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Tessera.Features;

/// <summary>What a classifier says of some pictures, in numbers.</summary>
internal sealed class ClassAnswers
{
    private const int LargestBatch = 4096; // of pictures whose vectors are there: a bound on memory where classes are many

    private readonly float[] probabilities; // (N, K)
    private readonly float[]? similarities; // (N)
    private readonly int classes;

    private ClassAnswers(int first, float[] probabilities, float[]? similarities, int classes)
    {
        (First, this.probabilities, this.similarities, this.classes) = (first, probabilities, similarities, classes);
    }

    /// <summary>The number of the first picture.</summary>
    public int First { get; }

    /// <summary>N.</summary>
    public int Count => probabilities.Length / classes;

    /// <summary>(K), which sum to 1.</summary>
    public ReadOnlySpan<float> Probabilities(int row) => probabilities.AsSpan(row * classes, classes);

    /// <summary>The cosine to the nearest class's mean; null where there are no means.</summary>
    public float? Similarity(int row) => similarities?[row];

    /// <summary>The answers to pictures.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="means">(K, D), of length 1; null: there are none.</param>
    /// <param name="pooled">(N, D), fp32: what stands for each picture</param>
    public static ClassAnswers Of(Classifier model, Tensor? means, Tensor pooled) => Of(model, means, pooled, first: 0);

    /// <summary>The answers to many pictures, a batch after the other.</summary>
    /// <param name="model">The classifier.</param>
    /// <param name="means">(K, D), of length 1; null: there are none.</param>
    /// <param name="pooled">(N, D): what stands for each picture</param>
    /// <param name="device">Where the classifier is.</param>
    public static IEnumerable<ClassAnswers> Of(Classifier model, Tensor? means, LabelledVectors pooled, Device device)
    {
        for (var first = 0; first < pooled.Count; first += LargestBatch) yield return Batch(first);

        ClassAnswers Batch(int first) // a dispose scope is its thread's, and must not span what the caller does in between
        {
            using var quiet = inference_mode();
            using var scope = NewDisposeScope();
            var count = Math.Min(LargestBatch, pooled.Count - first);
            var rows = tensor(pooled.Values.AsSpan(first * pooled.Width, count * pooled.Width).ToArray(), [count, pooled.Width], device: device);
            return Of(model, means, rows, first);
        }
    }

    private static ClassAnswers Of(Classifier model, Tensor? means, Tensor pooled, int first)
    {
        using var scope = NewDisposeScope();
        var similarities = means is null ? null : Floats(Classifier.Similarity(pooled, means));
        return new ClassAnswers(first, Floats(model.Logits(pooled).softmax(1)), similarities, model.Classes);
    }

    private static float[] Floats(Tensor values) => MemoryMarshal.Cast<byte, float>(values.cpu().contiguous().bytes).ToArray();
}
