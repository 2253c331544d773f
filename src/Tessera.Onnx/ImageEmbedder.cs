using Microsoft.ML.OnnxRuntime;
using Tessera.Embeddings;
using Tessera.Exports;
using Tessera.Imaging;

namespace Tessera.Onnx;

/// <summary>An exported encoder for applications: pictures in, vectors out. Pictures are brought to its size by the code that training used.</summary>
/// <remarks>
/// All members may be called from several threads at once, but for <see cref="Dispose"/>. Vectors of the same model are comparable however they were made:
/// by this class, by <c>PictureEncoder</c> or by <c>tessera embed</c>.
/// </remarks>
public sealed partial class ImageEmbedder : IDisposable
{
    private readonly OnnxModel model;

    /// <summary>Loads the model that ships, <see cref="ShippedModel"/>.</summary>
    /// <exception cref="OnnxModelException">It is not there.</exception>
    public ImageEmbedder() : this(ShippedModel.File) { }

    /// <summary>Loads an encoder.</summary>
    /// <param name="file">What <c>OnnxExport.Encoder</c> wrote.</param>
    /// <param name="options">How it shall run: execution provider, threads, optimisations; null: on all cores. The caller disposes them, and may do so at once.</param>
    /// <exception cref="OnnxModelException">There is no such file, or it holds no encoder that Tessera exported.</exception>
    public ImageEmbedder(string file, SessionOptions? options = null)
    {
        model = OnnxModel.Load(file, OnnxMetadata.Encoder, options);
        Width = model.Metadata.VectorWidth!.Value; // an encoder without was refused
        Patches = (model.Shape.Height / model.Metadata.PatchSize * (model.Shape.Width / model.Metadata.PatchSize), model.Metadata.TokenWidth);
    }

    /// <summary>The file that it was loaded from.</summary>
    public string File => model.File;

    /// <summary>The shape that every picture is brought to.</summary>
    public ImageShape Shape => model.Shape;

    /// <summary>D: the values of a vector.</summary>
    public int Width { get; }

    /// <summary>What of the encoder's output a vector is, in words.</summary>
    public string Kind => model.Metadata.VectorKind!;

    /// <summary>How many patch tokens a picture has, and how wide each is.</summary>
    public (int Count, int Width) Patches { get; }

    /// <summary>How it was trained: words by name.</summary>
    public IReadOnlyDictionary<string, string> Training => model.Metadata.Training;

    /// <summary>The vector of a picture.</summary>
    /// <param name="file">A JPEG, PNG, WebP, BMP or GIF file of any size.</param>
    /// <returns>(D)</returns>
    /// <exception cref="BrokenImageException">It cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    public float[] Embed(string file) => EmbedInterleaved(model.Decode(file));

    /// <summary>The vector of a picture.</summary>
    /// <param name="encoded">The bytes of such a file.</param>
    /// <param name="name">What to call it if it is broken.</param>
    /// <returns>(D)</returns>
    /// <exception cref="BrokenImageException">It cannot be decoded.</exception>
    public float[] Embed(ReadOnlyMemory<byte> encoded, string name = "the picture") => EmbedInterleaved(model.Decode(encoded, name));

    /// <summary>The vector of a picture.</summary>
    /// <param name="encoded">The bytes of such a file, read to their end.</param>
    /// <param name="name">What to call it if it is broken.</param>
    /// <returns>(D)</returns>
    /// <exception cref="BrokenImageException">It cannot be decoded.</exception>
    public float[] Embed(Stream encoded, string name = "the picture") => Embed(OnnxModel.Read(encoded), name);

    /// <summary>The vectors of pictures, in batches.</summary>
    /// <param name="files">Files as for <see cref="Embed(string)"/>; they become the names.</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <exception cref="BrokenImageException">One cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public VectorSet Embed(IReadOnlyList<string> files, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(files);
        var values = Batches(files.Count, (picture, planar) => ImageDecoder.Decode(files[picture], Shape, planar), progress, cancellation);
        var labels = new int[files.Count];
        labels.AsSpan().Fill(-1);
        return new VectorSet(new LabelledVectors(values, Width, labels), files, [], Origin);
    }

    /// <summary>The vectors of pixels that have <see cref="Shape"/> already, channel by channel as <see cref="ImageDecoder"/> gives them.</summary>
    /// <param name="planar">(N, C, H, W), 0 to 255: one picture after the other</param>
    /// <returns>(N, D), row by row</returns>
    /// <exception cref="ArgumentException">They are no whole number of pictures.</exception>
    public float[] EmbedPixels(ReadOnlySpan<byte> planar) => model.Interleave(planar, interleaved => EmbedInterleaved(interleaved));

    /// <summary>The vectors of pixels that have <see cref="Shape"/> already, each pixel's channels side by side as the graph takes them.</summary>
    /// <param name="interleaved">(N, H, W, C), 0 to 255: one picture after the other. It is not copied.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <returns>(N, D), row by row</returns>
    /// <exception cref="ArgumentException">They are no whole number of pictures.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public float[] EmbedInterleaved(Memory<byte> interleaved, CancellationToken cancellation = default)
    {
        model.RequirePictures(interleaved.Length, nameof(interleaved));
        var values = new float[interleaved.Length / Shape.Pixels * Width];
        model.Run(interleaved, [(OnnxMetadata.Vector, values, [interleaved.Length / Shape.Pixels, Width])], cancellation);
        return values;
    }

    /// <summary>The patch tokens of a picture, for where in it something is.</summary>
    /// <param name="file">As for <see cref="Embed(string)"/>.</param>
    /// <returns>(N, width) as <see cref="Patches"/> says, in raster order</returns>
    /// <exception cref="BrokenImageException">It cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    public float[] EmbedPatches(string file)
    {
        var values = new float[Patches.Count * Patches.Width];
        model.Run(model.Decode(file), [(OnnxMetadata.Patches, values, [1, Patches.Count, Patches.Width])], default);
        return values;
    }

    /// <summary>Frees the model.</summary>
    public void Dispose() => model.Dispose();

    private VectorOrigin Origin => new(model.Metadata.Fingerprint, Kind, "files");

    /// <summary>Decodes on all cores and embeds, a batch after the other.</summary>
    private float[] Batches(int count, OnnxModel.PictureDecoder decode, IProgress<int>? progress, CancellationToken cancellation)
    {
        if ((long)count * Width > Array.MaxLength)
            throw new ArgumentException($"{count} vectors of {Width} values are more than fit into one piece of memory: take at most {Array.MaxLength / Width} pictures at once.", nameof(count));
        var values = new float[count * Width];
        model.InBatches(count, decode, (first, pixels) =>
        {
            var size = pixels.Length / Shape.Pixels;
            model.Run(pixels, [(OnnxMetadata.Vector, values.AsMemory(first * Width, size * Width), [size, Width])], cancellation);
        }, progress, cancellation);
        return values;
    }
}
