using System.IO.Hashing;
using System.Text.Json;
using Tessera.Exports;
using Tessera.Imaging;

namespace Tessera.Onnx;

/// <summary>Whether a model gives on this machine what it gave where it was exported, for the picture that lies beside it.</summary>
/// <param name="SamePixels">Whether decoding and resizing made the same bytes of the picture.</param>
/// <param name="LargestDifference">Of one value of the result.</param>
/// <param name="Tolerance">How large it may be.</param>
public sealed record GoldenCheck(bool SamePixels, double LargestDifference, double Tolerance)
{
    /// <summary>Whether all is well.</summary>
    public bool Passed => SamePixels && LargestDifference <= Tolerance;

    /// <summary>In a sentence.</summary>
    public override string ToString() => FormattableString.Invariant(
        $"{(SamePixels ? "the same pixels" : "other pixels: pictures are decoded or resized differently")}, the largest difference {LargestDifference:g3} of {Tolerance:g3} allowed");
}

/// <summary>The picture beside an exported model, and what it becomes.</summary>
internal sealed class GoldenPicture
{
    private readonly string file;

    private GoldenPicture(string file, OnnxGolden golden, byte[] interleaved, bool same) =>
        (this.file, Golden, Interleaved, SamePixels) = (file, golden, interleaved, same);

    public OnnxGolden Golden { get; }

    /// <summary>(H, W, C)</summary>
    public byte[] Interleaved { get; }

    public bool SamePixels { get; }

    /// <summary>Reads what lies beside a model.</summary>
    /// <exception cref="OnnxModelException">Nothing does, or it cannot be read.</exception>
    /// <exception cref="BrokenImageException">The picture cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    public static GoldenPicture Read(OnnxModel model)
    {
        var file = OnnxGolden.FileOf(model.File);
        OnnxGolden golden;
        try
        {
            golden = JsonSerializer.Deserialize(System.IO.File.ReadAllBytes(file), OnnxJson.Default.OnnxGolden) ?? throw new JsonException("it is null");
            if (golden.Version != OnnxGolden.CurrentVersion) throw new JsonException($"its version is {golden.Version}, not {OnnxGolden.CurrentVersion}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OnnxModelException($"{model.File} cannot be checked: {file}, which lies beside an export, cannot be read ({e.Message.TrimEnd('.')}).", e);
        }
        catch (JsonException e)
        {
            throw new OnnxModelException($"{model.File} cannot be checked: {file} is not what an export lays beside it ({e.Message.TrimEnd('.')}).", e);
        }
        var interleaved = model.Decode(Beside(file, golden.Picture));
        return new GoldenPicture(file, golden, interleaved, Convert.ToHexStringLower(XxHash128.Hash(interleaved)) == golden.Pixels);
    }

    /// <summary>What was expected, where it is of the wanted kind.</summary>
    public T Require<T>(T? expected) where T : class => expected ?? throw new OnnxModelException($"{file} is that of another kind of model.");

    /// <summary>A file in the same folder.</summary>
    public string Beside(string name) => Beside(file, name);

    public GoldenCheck Compare(ReadOnlySpan<float> values, ReadOnlySpan<float> expected, double tolerance)
    {
        if (values.Length != expected.Length) throw new OnnxModelException($"{file} has {expected.Length} values, and the model gives {values.Length}: it is that of another model.");
        var largest = 0.0;
        for (var i = 0; i < values.Length; i++)
        {
            var difference = Math.Abs((double)values[i] - expected[i]);
            if (!(difference <= largest)) largest = double.IsNaN(difference) ? double.PositiveInfinity : difference;
        }
        return new GoldenCheck(SamePixels, largest, tolerance);
    }

    private static string Beside(string file, string name) => Path.Join(Path.GetDirectoryName(file), Path.GetFileName(name));
}

public sealed partial class ImageEmbedder
{
    /// <summary>Checks the model and this machine with the picture that lies beside it since it was exported.</summary>
    /// <exception cref="OnnxModelException">No picture lies there, or it is that of another model.</exception>
    /// <exception cref="BrokenImageException">The picture cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    public GoldenCheck CheckGolden()
    {
        var picture = GoldenPicture.Read(model);
        return picture.Compare(EmbedInterleaved(picture.Interleaved), picture.Require(picture.Golden.Vector), picture.Golden.Tolerance);
    }
}

public sealed partial class ImageClassifier
{
    /// <inheritdoc cref="ImageEmbedder.CheckGolden"/>
    public GoldenCheck CheckGolden()
    {
        var picture = GoldenPicture.Read(model);
        var golden = picture.Golden;
        var answers = Run(picture.Interleaved, default);
        float[] similarity = golden.Similarity is { } expected ? [expected] : [];
        return picture.Compare([.. answers.Probabilities, .. answers.Similarities ?? []], [.. picture.Require(golden.Probabilities), .. similarity], golden.Tolerance);
    }
}

public sealed partial class ImageRestorer
{
    /// <inheritdoc cref="ImageEmbedder.CheckGolden"/>
    public GoldenCheck CheckGolden()
    {
        var picture = GoldenPicture.Read(model);
        var golden = picture.Golden;
        var restored = Restore(picture.Interleaved, picture.Require(golden.Hidden), picture.Require(golden.Tokens));
        var expected = model.Decode(picture.Beside(picture.Require(golden.Restored)));
        const double Rounding = .5 / 255; // of the picture that was stored
        return picture.Compare(restored, [.. expected.Select(value => value / 255f)], golden.Tolerance + Rounding);
    }
}
