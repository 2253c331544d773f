using System.Text.Json.Serialization;
using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Ranks;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Measures a classifier by pictures whose labels are known.</summary>
public static class ClassificationEvaluation
{
    private const int MostPairs = 20; // that are named
    private const int Places = 5;

    /// <summary>Names pictures and holds the names against their labels.</summary>
    /// <param name="model">The classifier, on <paramref name="device"/>, whose classes are the pictures'.</param>
    /// <param name="normalization">How its pictures are standardised.</param>
    /// <param name="images">Pictures of its size.</param>
    /// <param name="pictures">Which of them; those without a label are left out.</param>
    /// <param name="device">The model's device.</param>
    /// <param name="split">What they are.</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="ranks">Those who share the pictures, each with the same model; null: this process alone.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <exception cref="ImageSourceException">None has a label.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static Classified Run(
        Classifier model, PixelNormalization normalization, ImageSet images, IReadOnlyList<int> pictures, Device device,
        MeasuredSplit split = MeasuredSplit.HeldOut, IProgress<int>? progress = null, Communicator? ranks = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(images);
        if (model.Classes != images.ClassNames.Count) throw new ArgumentException($"The model knows {model.Classes} classes, and the pictures have {images.ClassNames.Count}.", nameof(model));
        int[] labelled = [.. pictures.Where(p => images.Labels[p] >= 0)];
        if (labelled.Length == 0) throw new ImageSourceException($"The {ReportText.Word(split)} pictures of {images.SourceLocation} have no labels, by which a classifier is judged.");
        var logits = FeatureExtraction.OfClassifier(model, normalization, images, labelled, device, progress, ranks, cancellation);
        return Of(logits, labelled, images, split);
    }

    /// <summary>Holds answers against labels.</summary>
    /// <param name="logits">(N, K), and the labels</param>
    /// <param name="pictures">Which pictures they are of.</param>
    /// <param name="images">The pictures.</param>
    /// <param name="split">What they are.</param>
    internal static Classified Of(LabelledVectors logits, IReadOnlyList<int> pictures, ImageSet images, MeasuredSplit split)
    {
        var classes = logits.Width;
        var (loss, first, among) = (0.0, 0, 0);
        var confusion = new int[classes * classes];
        var mistakes = new List<Mistake>();
        for (var i = 0; i < pictures.Count; i++)
        {
            var row = logits.Values.AsSpan(i * classes, classes);
            var label = logits.Labels[i];
            var (answer, place) = (label, 0);
            for (var k = 0; k < classes; k++)
            {
                if (k == label || row[k] < row[label]) continue; // one that is level comes before the label's class
                place++;
                if (answer == label || row[k] > row[answer]) answer = k;
            }
            var sum = 0.0;
            foreach (var value in row) sum += Math.Exp(value - row[answer]);
            var probability = 1 / sum; // of the answer
            loss += Math.Log(sum) + row[answer] - row[label];
            if (place == 0) first++;
            else mistakes.Add(new Mistake(pictures[i], label, answer, probability));
            if (place < Places) among++;
            confusion[label * classes + answer]++;
        }
        var matrix = new ConfusionMatrix(classes, confusion);
        var report = new ClassificationReport(
            split, classes, new Accuracy(first, pictures.Count), new Accuracy(among, pictures.Count), loss / pictures.Count,
            [.. Enumerable.Range(0, classes).Select(k => new ClassAccuracy(images.ClassNames[k], ReportText.Title(images, k), matrix.Of(k)))],
            [.. matrix.Pairs().Take(MostPairs).Select(pair => new ConfusedClasses(ReportText.Title(images, pair.First), ReportText.Title(images, pair.Second), pair.FirstAsSecond, pair.SecondAsFirst))]);
        return new Classified(report, matrix, [.. mistakes.OrderByDescending(m => m.Probability)]);
    }
}

/// <summary>What came of naming pictures.</summary>
/// <param name="Report">The figures.</param>
/// <param name="Confusion">Which classes were answered for which.</param>
/// <param name="Mistakes">What was named wrongly, the surest answers first.</param>
public sealed record Classified(ClassificationReport Report, ConfusionMatrix Confusion, IReadOnlyList<Mistake> Mistakes);

/// <summary>A picture that was named wrongly.</summary>
/// <param name="Picture">Its index.</param>
/// <param name="Label">The class that it has.</param>
/// <param name="Answer">The class that it was taken for.</param>
/// <param name="Probability">How sure that answer was, 0 to 1.</param>
public sealed record Mistake(int Picture, int Label, int Answer, double Probability);

/// <summary>The figures of a classifier.</summary>
/// <param name="Split">The pictures that were named.</param>
/// <param name="Classes">Classes.</param>
/// <param name="Top1">How often the label's class came out first.</param>
/// <param name="Top5">How often it came out among the first five.</param>
/// <param name="Loss">Mean cross-entropy, without smoothing.</param>
/// <param name="OfClasses">Each class by itself.</param>
/// <param name="Confused">The pairs of classes that are confused most.</param>
public sealed record ClassificationReport(
    MeasuredSplit Split, int Classes, Accuracy Top1, Accuracy Top5, double Loss, IReadOnlyList<ClassAccuracy> OfClasses, IReadOnlyList<ConfusedClasses> Confused)
{
    /// <summary>The mean of the classes' own accuracies, 0 to 1, of those that have pictures: what top-1 would be if all classes were as frequent.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public double MeanOfClasses => OfClasses.Where(c => c.Top1.Count > 0).Select(c => c.Top1.Share).DefaultIfEmpty(0).Average();
}

/// <summary>How often a class's pictures were named right.</summary>
/// <param name="Name">The class.</param>
/// <param name="Title">What people call it.</param>
/// <param name="Top1">How often.</param>
public sealed record ClassAccuracy(string Name, string Title, Accuracy Top1);
