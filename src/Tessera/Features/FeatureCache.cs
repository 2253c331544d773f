using System.Globalization;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;
using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Weights;

namespace Tessera.Features;

/// <summary>Vectors of pictures in a folder, so that a model's are made once.</summary>
/// <param name="folder">Where; made if need be.</param>
/// <remarks>
/// A file is known by the model's bytes and the pictures, see <c>docs/formats.md</c>. One that is damaged is made anew; one that cannot be written
/// is not missed.
/// </remarks>
public sealed class FeatureCache(string folder)
{
    private const string Tensor = "features", KeyName = "tessera.features", ChecksumName = "tessera.checksum";
    private const int Piece = 1 << 28; // values that are hashed at a time: a span of bytes cannot be longer than 2³¹ - 1

    /// <summary>The vectors: read where they were made before, else made and kept.</summary>
    /// <param name="source">What makes them.</param>
    /// <param name="images">Pictures of the encoder's size.</param>
    /// <param name="pictures">Which of them, in the vectors' order.</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="cancellation">Ends the work early.</param>
    /// <exception cref="OptionsException">The vectors are too many for one piece of memory.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public LabelledVectors Of(
        FeatureSource source, ImageSet images, ReadOnlyMemory<int> pictures, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        if (source.Key is null) return source.Extract(images, pictures, progress, cancellation);
        var key = KeyOf(source.Key, images, pictures.Span);
        var file = Path.Combine(folder, $"features-{Hash(Encoding.UTF8.GetBytes(key))}.safetensors");
        if (Read(file, key, images, pictures.Span) is { } kept)
        {
            progress?.Report(kept.Count);
            return kept;
        }
        var made = source.Extract(images, pictures, progress, cancellation);
        Write(file, key, made);
        return made;
    }

    /// <summary>All that the vectors hang on. Pictures go by their names, since an index is another's where one more is broken.</summary>
    private static string KeyOf(string source, ImageSet images, ReadOnlySpan<int> pictures)
    {
        var names = new XxHash128();
        foreach (var picture in pictures) names.Append(Encoding.UTF8.GetBytes(images.Name(picture) + '\n'));
        return string.Create(CultureInfo.InvariantCulture,
            $"1: {source}, {images.Fingerprint} {images.Shape} {ImageDecoder.Revision} {images.SplitSeed}, {pictures.Length} pictures {Hex(names)}");
    }

    private static unsafe LabelledVectors? Read(string file, string key, ImageSet images, ReadOnlySpan<int> pictures)
    {
        if (!File.Exists(file)) return null;
        try
        {
            using var kept = SafetensorsFile.Open(file);
            if (kept.Metadata.GetValueOrDefault(KeyName) != key || !kept.Entries.TryGetValue(Tensor, out var entry)) return null;
            if (entry.Type != SafetensorsType.F32 || entry.Shape is not [var count, > 0 and <= int.MaxValue and var width] || count != pictures.Length) return null;
            var values = FeatureExtraction.Room(pictures.Length, (int)width);
            fixed (float* address = values) kept.Read(Tensor, (nint)address, entry.Length);
            return kept.Metadata.GetValueOrDefault(ChecksumName) == ChecksumOf(values)
                ? new LabelledVectors(values, (int)width, FeatureExtraction.LabelsOf(images, pictures)) : null;
        }
        catch (SafetensorsException)
        {
            return null; // it is made anew
        }
    }

    private unsafe void Write(string file, string key, LabelledVectors vectors)
    {
        try
        {
            Directory.CreateDirectory(folder);
            fixed (float* address = vectors.Values)
            {
                long[] shape = [vectors.Count, vectors.Width];
                SafetensorsWriter.Write(file, [SafetensorsTensor.FromNative(Tensor, SafetensorsType.F32, shape, (nint)address, sizeof(float) * vectors.Values.LongLength)],
                    new Dictionary<string, string> { [KeyName] = key, [ChecksumName] = ChecksumOf(vectors.Values) });
            }
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // The vectors are there: a full disk costs the next evaluation its time, and not this one its result.
        }
    }

    private static string ChecksumOf(float[] values)
    {
        var hash = new XxHash128();
        for (var start = 0L; start < values.Length; start += Piece)
            hash.Append(MemoryMarshal.AsBytes(values.AsSpan((int)start, (int)Math.Min(Piece, values.Length - start))));
        return Hex(hash);
    }

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(XxHash128.Hash(bytes));

    private static string Hex(XxHash128 hash) => Convert.ToHexStringLower(hash.GetCurrentHash());
}
