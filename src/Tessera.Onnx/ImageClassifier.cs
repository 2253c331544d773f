using Microsoft.ML.OnnxRuntime;
using Tessera.Embeddings;
using Tessera.Exports;
using Tessera.Imaging;

namespace Tessera.Onnx;

/// <summary>An exported classifier for applications: pictures in, names with probabilities out. Pictures are brought to its size by the code that training used.</summary>
/// <remarks>All members may be called from several threads at once, but for <see cref="Dispose"/>. Answers are those of <c>PictureClassifier</c> and <c>tessera classify</c>.</remarks>
public sealed partial class ImageClassifier : IDisposable
{
    /// <summary>How many classes an answer names where no number is given.</summary>
    public const int StandardTop = 5;

    private readonly OnnxModel model;

    /// <summary>Loads a classifier.</summary>
    /// <param name="file">What <c>OnnxExport.Classifier</c> wrote.</param>
    /// <param name="options">How it shall run: execution provider, threads, optimisations; null: on all cores. The caller disposes them, and may do so at once.</param>
    /// <exception cref="OnnxModelException">There is no such file, or it holds no classifier that Tessera exported.</exception>
    public ImageClassifier(string file, SessionOptions? options = null)
    {
        model = OnnxModel.Load(file, OnnxMetadata.Classifier, options);
        // A classifier without classes was refused.
        Classes = new ClassSet { Names = model.Metadata.Classes!, Titles = model.Metadata.Titles!, Familiarity = model.Metadata.Familiarity };
    }

    /// <summary>The file that it was loaded from.</summary>
    public string File => model.File;

    /// <summary>The shape that every picture is brought to.</summary>
    public ImageShape Shape => model.Shape;

    /// <summary>The classes, and when a picture looks like none of them.</summary>
    public ClassSet Classes { get; }

    /// <summary>How it was trained: words by name.</summary>
    public IReadOnlyDictionary<string, string> Training => model.Metadata.Training;

    /// <summary>Names a picture.</summary>
    /// <param name="file">A JPEG, PNG, WebP, BMP or GIF file of any size.</param>
    /// <param name="top">How many classes the answer names.</param>
    /// <exception cref="BrokenImageException">It cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    public Classification Classify(string file, int top = StandardTop) => Answers([file], model.Decode(file), top, default)[0];

    /// <summary>Names a picture.</summary>
    /// <param name="encoded">The bytes of such a file.</param>
    /// <param name="name">What to call it.</param>
    /// <param name="top">How many classes the answer names.</param>
    /// <exception cref="BrokenImageException">It cannot be decoded.</exception>
    public Classification Classify(ReadOnlyMemory<byte> encoded, string name = "the picture", int top = StandardTop) => Answers([name], model.Decode(encoded, name), top, default)[0];

    /// <summary>Names a picture.</summary>
    /// <param name="encoded">The bytes of such a file, read to their end.</param>
    /// <param name="name">What to call it.</param>
    /// <param name="top">How many classes the answer names.</param>
    /// <exception cref="BrokenImageException">It cannot be decoded.</exception>
    public Classification Classify(Stream encoded, string name = "the picture", int top = StandardTop) => Classify(OnnxModel.Read(encoded), name, top);

    /// <summary>Names pictures, in batches.</summary>
    /// <param name="files">Files as for <see cref="Classify(string, int)"/>.</param>
    /// <param name="top">How many classes each answer names.</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <returns>An answer to each, in their order.</returns>
    /// <exception cref="BrokenImageException">One cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public IReadOnlyList<Classification> Classify(IReadOnlyList<string> files, int top = StandardTop, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(files);
        var answers = new List<Classification>(files.Count);
        model.InBatches(
            files.Count, (picture, planar) => ImageDecoder.Decode(files[picture], Shape, planar),
            (first, pixels) => answers.AddRange(Answers([.. files.Skip(first).Take(pixels.Length / Shape.Pixels)], pixels, top, cancellation)), progress, cancellation);
        return answers;
    }

    /// <summary>Names a picture, off the caller's thread.</summary>
    /// <inheritdoc cref="Classify(Stream, string, int)"/>
    /// <param name="encoded">The bytes of a picture's file, read to their end.</param>
    /// <param name="name">What to call it.</param>
    /// <param name="top">How many classes the answer names.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public async Task<Classification> ClassifyAsync(Stream encoded, string name = "the picture", int top = StandardTop, CancellationToken cancellation = default)
    {
        var bytes = await OnnxModel.ReadAsync(encoded, cancellation).ConfigureAwait(false);
        return await Task.Run(() => Answers([name], model.Decode(bytes, name), top, cancellation)[0], cancellation).ConfigureAwait(false);
    }

    /// <summary>Names pictures, in batches and off the caller's thread.</summary>
    /// <inheritdoc cref="Classify(IReadOnlyList{string}, int, IProgress{int}?, CancellationToken)"/>
    public Task<IReadOnlyList<Classification>> ClassifyAsync(
        IReadOnlyList<string> files, int top = StandardTop, IProgress<int>? progress = null, CancellationToken cancellation = default) =>
        Task.Run(() => Classify(files, top, progress, cancellation), cancellation);

    /// <summary>Names pixels that have <see cref="Shape"/> already, channel by channel as <see cref="ImageDecoder"/> gives them.</summary>
    /// <param name="planar">(N, C, H, W), 0 to 255: one picture after the other</param>
    /// <param name="top">How many classes each answer names.</param>
    /// <returns>An answer to each: <c>picture 1</c> and so on.</returns>
    /// <exception cref="ArgumentException">They are no whole number of pictures.</exception>
    public IReadOnlyList<Classification> ClassifyPixels(ReadOnlySpan<byte> planar, int top = StandardTop) => model.Interleave(planar, interleaved => Answers(
        [.. Enumerable.Range(1, interleaved.Length / Shape.Pixels).Select(number => $"picture {number}")], interleaved, top, default));

    /// <summary>Frees the model.</summary>
    public void Dispose() => model.Dispose();

    private List<Classification> Answers(IReadOnlyList<string> names, Memory<byte> interleaved, int top, CancellationToken cancellation)
    {
        var (probabilities, similarities) = Run(interleaved, cancellation);
        var classes = Classes.Names.Count;
        return [.. names.Select((name, row) => Classes.Answer(name, probabilities.AsSpan(row * classes, classes), similarities?[row], top))];
    }

    /// <returns>(N, K), and (N) where the graph gives it</returns>
    private (float[] Probabilities, float[]? Similarities) Run(Memory<byte> interleaved, CancellationToken cancellation)
    {
        var count = interleaved.Length / Shape.Pixels;
        var probabilities = new float[count * Classes.Names.Count];
        var similarities = Classes.Familiarity is null ? null : new float[count];
        List<(string, Memory<float>, long[])> outputs = [(OnnxMetadata.Probabilities, probabilities, [count, Classes.Names.Count])];
        if (similarities is not null) outputs.Add((OnnxMetadata.Similarity, similarities, [count]));
        model.Run(interleaved, outputs, cancellation);
        return (probabilities, similarities);
    }
}
