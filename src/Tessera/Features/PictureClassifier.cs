using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Features;

/// <summary>A classifier for applications: pictures in, names with probabilities out. Pictures are brought to its size and standardised as in its training.</summary>
/// <remarks>All members may be called from several threads at once, but for <see cref="Dispose"/>.</remarks>
public sealed class PictureClassifier : IDisposable
{
    /// <summary>How many classes an answer names where no number is given.</summary>
    public const int StandardTop = 5;

    private readonly PretrainedClassifier model;
    private readonly Device device;
    private readonly PictureInput input;

    private PictureClassifier(PretrainedClassifier model, Device device)
    {
        (this.model, this.device) = (model, device);
        input = new PictureInput(model.Model.Encoder.Options, model.Normalization, device);
    }

    /// <summary>The classes, and when a picture looks like none of them.</summary>
    public ClassHead Classes => model.Classes;

    /// <summary>The file that it was loaded from.</summary>
    public string File => model.File;

    /// <summary>What the file says of its model.</summary>
    public ModelDescription Description => model.Description;

    /// <summary>The shape that every picture is brought to.</summary>
    public ImageShape Shape => input.Shape;

    /// <summary>Loads a classifier.</summary>
    /// <param name="path">A run directory, a model's .safetensors file, or the name of a model that ships.</param>
    /// <param name="device">auto, cpu, cuda or cuda:N.</param>
    /// <param name="precision">The number format that its encoder computes in.</param>
    /// <exception cref="ModelFileException">There is no such model, or it knows no classes.</exception>
    /// <exception cref="SafetensorsException">The file is damaged.</exception>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    public static PictureClassifier Load(string path, string device = "auto", Precision precision = Precision.Fp32)
    {
        var target = ComputeDevice.Resolve(device);
        return new PictureClassifier(ModelFile.LoadClassifier(path, target, precision), target);
    }

    /// <summary>Names a picture.</summary>
    /// <param name="file">A JPEG, PNG, WebP, BMP or GIF file of any size.</param>
    /// <param name="top">How many classes the answer names.</param>
    /// <exception cref="BrokenImageException">It cannot be read.</exception>
    public Classification Classify(string file, int top = StandardTop) => Answers([file], input.Decode(file), top)[0];

    /// <summary>Names a picture.</summary>
    /// <param name="encoded">The bytes of such a file, read to their end.</param>
    /// <param name="name">What to call it.</param>
    /// <param name="top">How many classes the answer names.</param>
    /// <exception cref="BrokenImageException">It cannot be read.</exception>
    public Classification Classify(Stream encoded, string name = "the picture", int top = StandardTop) => Answers([name], input.Decode(encoded, name), top)[0];

    /// <summary>Names pictures, in batches.</summary>
    /// <param name="files">Files as for <see cref="Classify(string, int)"/>.</param>
    /// <param name="top">How many classes each answer names.</param>
    /// <param name="broken">Receives those that cannot be read, which then have no answer; null: the first ends the work.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <returns>An answer to each, in their order.</returns>
    /// <exception cref="BrokenImageException">One cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public IReadOnlyList<Classification> Classify(
        IReadOnlyList<string> files, int top = StandardTop, ICollection<BrokenImage>? broken = null, CancellationToken cancellation = default)
    {
        var answers = new List<Classification>();
        var sound = input.InBatches(files, (first, planar) => answers.AddRange(Answers([.. Enumerable.Repeat("", planar.Length / Shape.Pixels)], planar, top)), broken, cancellation);
        return [.. answers.Zip(sound, (answer, file) => answer with { Picture = file })];
    }

    /// <summary>Names pictures of a set.</summary>
    /// <param name="images">Pictures of <see cref="Shape"/>.</param>
    /// <param name="pictures">Which of them.</param>
    /// <param name="top">How many classes each answer names.</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <returns>An answer to each, in their order, by the names that they have in the set.</returns>
    /// <exception cref="OptionsException">The pictures have another shape.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public IReadOnlyList<Classification> Classify(
        ImageSet images, ReadOnlyMemory<int> pictures, int top = StandardTop, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        input.RequireShape(images);
        var kind = FeatureKind.Of(Classes.Pooling);
        var vectors = FeatureExtraction.OfEncoder(model.Model.Encoder, model.Normalization, images, pictures, device, kind, progress, cancellation: cancellation);
        var answers = new List<Classification>(pictures.Length);
        foreach (var batch in ClassAnswers.Of(model.Model, model.Means, vectors, device))
        {
            for (var row = 0; row < batch.Count; row++) answers.Add(Answer(images.Name(pictures.Span[batch.First + row]), batch, row, top));
        }
        return answers;
    }

    /// <summary>Names pixels that have <see cref="Shape"/> already.</summary>
    /// <param name="planar">(N, C, H, W), 0 to 255: one picture after the other</param>
    /// <param name="top">How many classes each answer names.</param>
    /// <returns>An answer to each: <c>picture 1</c> and so on.</returns>
    /// <exception cref="ArgumentException">They are no whole number of pictures.</exception>
    public IReadOnlyList<Classification> ClassifyPixels(ReadOnlySpan<byte> planar, int top = StandardTop) =>
        Answers([.. Enumerable.Range(1, planar.Length / Shape.Pixels).Select(number => $"picture {number}")], planar, top);

    /// <summary>Frees the weights.</summary>
    public void Dispose() => model.Dispose();

    private List<Classification> Answers(IReadOnlyList<string> names, ReadOnlySpan<byte> planar, int top)
    {
        using var quiet = inference_mode();
        using var scope = NewDisposeScope();
        var pooled = model.Model.Pool(model.Model.Encoder.call(input.Standardized(planar))); // (N, D)
        var answers = ClassAnswers.Of(model.Model, model.Means, pooled);
        return [.. names.Select((name, row) => Answer(name, answers, row, top))];
    }

    private Classification Answer(string name, ClassAnswers answers, int row, int top) => Classes.Answer(name, answers.Probabilities(row), answers.Similarity(row), top);
}
