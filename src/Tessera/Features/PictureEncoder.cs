using System.Runtime.InteropServices;
using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Features;

/// <summary>A pretrained encoder for applications: pictures in, vectors out. Pictures are brought to its size, standardised as in its training, and never masked.</summary>
/// <remarks>All members may be called from several threads at once, but for <see cref="Dispose"/>.</remarks>
public sealed class PictureEncoder : IDisposable
{
    private readonly PretrainedEncoder model;
    private readonly Device device;
    private readonly PictureInput input;
    private readonly Lazy<string> fingerprint;

    private PictureEncoder(PretrainedEncoder model, Device device, FeatureKind kind)
    {
        (this.model, this.device, Kind) = (model, device, kind);
        input = new PictureInput(model.Encoder.Options, model.Normalization, device);
        fingerprint = new(() => FeatureSource.HashOf(model.File));
    }

    /// <summary>What of the encoder's output a vector is.</summary>
    public FeatureKind Kind { get; }

    /// <summary>What the file says of its model.</summary>
    public ModelDescription Description => model.Description;

    /// <summary>D: the values of a vector.</summary>
    public int Width => Kind.Width(model.Encoder.Options);

    /// <summary>The shape that every picture is brought to.</summary>
    public ImageShape Shape => input.Shape;

    /// <summary>Loads an encoder.</summary>
    /// <param name="path">A run directory, a model's .safetensors file, another project's that says all that is needed, or the name of a model that ships, such as <c>tessera-tiny</c>.</param>
    /// <param name="kind">What of its output; null: <see cref="FeatureKind.Standard"/>.</param>
    /// <param name="device">auto, cpu, cuda or cuda:N.</param>
    /// <param name="precision">The number format that it computes in.</param>
    /// <exception cref="ModelFileException">There is no such model.</exception>
    /// <exception cref="OptionsException">The encoder has none of the kind.</exception>
    /// <exception cref="SafetensorsException">The file is damaged.</exception>
    /// <exception cref="ComputeDeviceException">There is no such device.</exception>
    public static PictureEncoder Load(string path, FeatureKind? kind = null, string device = "auto", Precision precision = Precision.Fp32)
    {
        var target = ComputeDevice.Resolve(device);
        var model = ModelFile.LoadEncoder(path, target, precision);
        try
        {
            var taken = kind ?? FeatureKind.Standard;
            taken.Require(model.Encoder.Options);
            return new PictureEncoder(model, target, taken);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The vector of a picture.</summary>
    /// <param name="file">A JPEG, PNG, WebP, BMP or GIF file of any size.</param>
    /// <returns>(D)</returns>
    /// <exception cref="BrokenImageException">It cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    public float[] Embed(string file) => EmbedPixels(input.Decode(file));

    /// <summary>The vector of a picture.</summary>
    /// <param name="encoded">The bytes of such a file, read to their end.</param>
    /// <param name="name">What to call it if it is broken.</param>
    /// <returns>(D)</returns>
    /// <exception cref="BrokenImageException">It cannot be decoded.</exception>
    public float[] Embed(Stream encoded, string name = "the picture") => EmbedPixels(input.Decode(encoded, name));

    /// <summary>The vectors of pictures, in batches.</summary>
    /// <param name="files">Files as for <see cref="Embed(string)"/>; they become the names.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <exception cref="BrokenImageException">One cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public VectorSet Embed(IReadOnlyList<string> files, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(files);
        var values = FeatureExtraction.Room(files.Count, Width);
        input.InBatches(files, (first, planar) => EmbedPixels(planar).CopyTo(values.AsSpan(first * Width)), broken: null, cancellation);
        var labels = new int[files.Count];
        labels.AsSpan().Fill(-1);
        return new VectorSet(new LabelledVectors(values, Width, labels), files, [], Origin("files"));
    }

    /// <summary>The vectors of pictures of a set, with their names and labels.</summary>
    /// <param name="images">Pictures of <see cref="Shape"/>.</param>
    /// <param name="pictures">Which of them, in the vectors' order.</param>
    /// <param name="cache">Keeps the vectors, so that they are made once; null: they are not kept.</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <exception cref="OptionsException">The pictures have another shape, or the vectors are too many for one piece of memory.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public VectorSet Embed(
        ImageSet images, ReadOnlyMemory<int> pictures, FeatureCache? cache = null, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(images);
        input.RequireShape(images);
        var source = FeatureSource.OfModel(model, device, Kind);
        var vectors = cache?.Of(source, images, pictures, progress, cancellation) ?? source.Extract(images, pictures, progress, cancellation);
        return new VectorSet(vectors, [.. pictures.ToArray().Select(images.Name)], images.ClassNames, Origin($"{images.SourceKind}: {Path.GetFileName(images.SourceLocation)}"));
    }

    /// <summary>The vectors of pixels that have <see cref="Shape"/> already.</summary>
    /// <param name="planar">(N, C, H, W), 0 to 255: one picture after the other</param>
    /// <returns>(N, D), row by row</returns>
    /// <exception cref="ArgumentException">They are no whole number of pictures.</exception>
    public float[] EmbedPixels(ReadOnlySpan<byte> planar)
    {
        using var quiet = inference_mode();
        using var scope = NewDisposeScope();
        var vectors = Kind.Of(model.Encoder, input.Standardized(planar)); // (N, D)
        return MemoryMarshal.Cast<byte, float>(vectors.cpu().contiguous().bytes).ToArray();
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose() => model.Dispose();

    private VectorOrigin Origin(string source) => new(fingerprint.Value, Kind.ToString(), source);
}
