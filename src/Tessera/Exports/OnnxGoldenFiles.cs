using System.IO.Hashing;
using System.Runtime.InteropServices;
using SkiaSharp;
using Tessera.Evaluation;
using Tessera.Features;
using Tessera.Figures;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Exports;

/// <summary>The picture beside an exported model, and what libtorch makes of it with the weights as they are stored.</summary>
internal static class OnnxGoldenFiles
{
    private const double Tolerance = 1e-4;

    /// <returns>The file that was written last, which names the others.</returns>
    public static string OfEncoder(string source, string file, OnnxExportOptions options)
    {
        using var model = ModelFile.LoadEncoder(source);
        using var quiet = inference_mode();
        using var scope = NewDisposeScope();
        Round(model.Encoder, options.Weights);
        var (picture, pixels) = Picture(file, model.Description.Encoder);
        var vector = options.Kind.Of(model.Encoder, model.Normalization.Standardize(Batch(pixels, model.Description.Encoder))); // (1, D)
        return Write(file, picture, pixels, model.Description.Encoder, golden => golden with
        {
            Vector = MemoryMarshal.Cast<byte, float>(vector.contiguous().bytes).ToArray(),
        });
    }

    /// <inheritdoc cref="OfEncoder"/>
    public static string OfClassifier(string source, string file, OnnxExportOptions options)
    {
        using var model = ModelFile.LoadClassifier(source);
        using var quiet = inference_mode();
        using var scope = NewDisposeScope();
        Round(model.Model, options.Weights);
        var shape = model.Description.Encoder;
        var (picture, pixels) = Picture(file, shape);
        var pooled = model.Model.Pool(model.Model.Encoder.call(model.Normalization.Standardize(Batch(pixels, shape)))); // (1, D)
        var answers = ClassAnswers.Of(model.Model, model.Means, pooled);
        return Write(file, picture, pixels, shape, golden => golden with { Probabilities = answers.Probabilities(0).ToArray(), Similarity = answers.Similarity(0) });
    }

    /// <inheritdoc cref="OfEncoder"/>
    public static string OfReconstruction(string source, string file, OnnxExportOptions options)
    {
        using var model = ModelFile.Load(source);
        using var quiet = inference_mode();
        using var scope = NewDisposeScope();
        Round(model.Model, options.Weights);
        var shape = model.Description.Encoder;
        var (picture, pixels) = Picture(file, shape);
        using var mask = new MaskSampler(model.Mask, model.Model.Options, seed: 0).Draw([0], epoch: 0);
        var restored = Restoration.Of(model.Model, model.Description.Normalization, Batch(pixels, shape), mask).Pasted; // (1, C, H, W)
        var values = MemoryMarshal.Cast<byte, float>(restored.contiguous().bytes);
        var bytes = new byte[values.Length];
        for (var i = 0; i < bytes.Length; i++) bytes[i] = (byte)MathF.Round(255 * values[i]);
        var drawn = Path.ChangeExtension(file, ".golden-restored.png");
        SavePicture(drawn, new ImageShape(shape.Channels, shape.ImageHeight, shape.ImageWidth), bytes);
        return Write(file, picture, pixels, shape, golden => golden with
        {
            Hidden = Numbers(mask.Hidden),
            Tokens = Numbers(mask.Tokens),
            Restored = Path.GetFileName(drawn),
        });
    }

    /// <summary>Gives a model the values that its matrices have in the file.</summary>
    private static void Round(nn.Module model, WeightFormat format)
    {
        if (format == WeightFormat.Fp32) return;
        foreach (var (name, value) in ModelFile.Parameters(model))
        {
            if (value.dim() < 2 || !IsMatrix(name)) continue;
            var values = MemoryMarshal.Cast<byte, float>(value.detach().contiguous().bytes).ToArray();
            StoredMatrix.Round(name, values, (int)value.shape[0], format);
            value.detach().copy_(tensor(values, value.shape));
        }
    }

    /// <summary>Whether it is a layer's weight: tokens and positions are not multiplied by, and stay as they are.</summary>
    private static bool IsMatrix(string name) => name.EndsWith(".weight", StringComparison.Ordinal) && name != "mask_tokens.weight";

    /// <summary>Draws a picture of another size than the model's, so that the way there is checked too.</summary>
    /// <returns>Its file, and the planar pixels that it becomes.</returns>
    private static (string File, byte[] Pixels) Picture(string file, VisionTransformerOptions shape)
    {
        var size = new ImageShape(3, Math.Min(shape.ImageHeight * 3 / 2, ImageShape.LongestSide), Math.Min(shape.ImageWidth * 2, ImageShape.LongestSide));
        var planar = new byte[size.Pixels];
        ImageSource.Open("shapes:1").Read(0, size, planar);
        var picture = Path.ChangeExtension(file, ".golden.png");
        SavePicture(picture, size, planar);
        var wanted = new ImageShape(shape.Channels, shape.ImageHeight, shape.ImageWidth);
        var pixels = new byte[wanted.Pixels];
        ImageDecoder.Decode(picture, wanted, pixels);
        return (picture, pixels);
    }

    private static void SavePicture(string file, ImageShape shape, byte[] planar)
    {
        var png = PngFile.Encode(shape.Width, shape.Height, canvas =>
            PngFile.Draw(canvas, RgbImage.OfPlanar(shape, planar), SKRect.Create(shape.Width, shape.Height), SKSamplingOptions.Default));
        PngFile.Save(file, png);
    }

    private static Tensor Batch(byte[] planar, VisionTransformerOptions shape) => tensor(planar, [1, shape.Channels, shape.ImageHeight, shape.ImageWidth]);

    private static string Write(string file, string picture, byte[] planar, VisionTransformerOptions shape, Func<OnnxGolden, OnnxGolden> result)
    {
        var interleaved = new byte[planar.Length];
        PixelLayout.Interleave(planar, shape.Channels, interleaved);
        var golden = result(new OnnxGolden
        {
            Picture = Path.GetFileName(picture),
            Pixels = Convert.ToHexStringLower(XxHash128.Hash(interleaved)),
            Tolerance = Tolerance,
        });
        var written = OnnxGolden.FileOf(file);
        WholeFile.Naming(written, () => WholeFile.Write(written, golden.ToJson()));
        return written;
    }

    private static int[] Numbers(Tensor places) => [.. MemoryMarshal.Cast<byte, long>(places.contiguous().bytes).ToArray().Select(place => (int)place)];
}
