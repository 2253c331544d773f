using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Onnx.Tests.Fixtures;

/// <summary>A model of random weights in a file. No weight is zero or one, as first weights are: each must reach its place.</summary>
internal static class RandomModel
{
    private const float Spread = .15f;

    public static VisionTransformerOptions Small { get; } = new() { ImageHeight = 16, ImageWidth = 24, PatchSize = 4, Width = 24, Depth = 3, Heads = 2, MlpRatio = 3 };

    /// <summary>Writes one.</summary>
    public static string Write(string file, VisionTransformerOptions encoder, Func<MaskedAutoencoderOptions, MaskedAutoencoderOptions>? change = null)
    {
        var shape = new MaskedAutoencoderOptions { Encoder = encoder, DecoderWidth = 16, DecoderDepth = 2, DecoderHeads = 4, MaskTokens = 5 };
        using var model = new MaskedAutoencoder(change?.Invoke(shape) ?? shape, seed: 3);
        Shake(model, Spread);
        ModelFile.Save(file, model, Description(encoder) with { Reconstruction = new ReconstructionHead(model.Options, new MaskOptions()) });
        return file;
    }

    /// <summary>Writes a classifier; with thresholds it has means too.</summary>
    public static string WriteClassifier(string file, VisionTransformerOptions encoder, ClassPooling pooling = ClassPooling.Mean, Familiarity? familiarity = null)
    {
        using var scope = NewDisposeScope();
        using var model = new Classifier(encoder, pooling, ClassNames.Count, seed: 3);
        Shake(model, 4 * Spread);
        var means = new float[ClassNames.Count * encoder.Width];
        new CounterRandom(8, RandomPurpose.Weights, 0, 0).FillUniform(means, 1);
        ModelFile.SaveClassifier(
            file, model, familiarity is null ? null : nn.functional.normalize(tensor(means, [ClassNames.Count, encoder.Width]), dim: 1),
            Description(encoder) with { Classes = new ClassHead { Pooling = pooling, Names = ClassNames, Titles = [.. ClassNames.Select(name => $"a {name}")], Familiarity = familiarity } });
        return file;
    }

    /// <summary>Of a classifier.</summary>
    public static IReadOnlyList<string> ClassNames { get; } = ["cat", "dog", "owl", "newt", "élan"];

    private static ModelDescription Description(VisionTransformerOptions encoder) => new()
    {
        Encoder = encoder,
        Normalization = encoder.Channels == 1 ? new PixelNormalization([.45], [.23]) : new PixelNormalization([.48, .45, .4], [.28, .27, .25]),
        Training = new Dictionary<string, string> { ["preset"] = "none" },
    };

    private static void Shake(nn.Module model, double spread)
    {
        using var quiet = no_grad();
        foreach (var (number, (_, value)) in ModelFile.Parameters(model).Index())
        {
            using var scope = NewDisposeScope();
            var noise = new float[value.numel()];
            new CounterRandom(7, RandomPurpose.Weights, 0, (uint)number).FillUniform(noise, spread);
            value.copy_(value.add(tensor(noise, value.shape), alpha: 1));
        }
    }

    /// <summary>Bytes that differ everywhere.</summary>
    public static byte[] Pixels(VisionTransformerOptions encoder, int count)
    {
        var pixels = new byte[count * encoder.Channels * encoder.ImageHeight * encoder.ImageWidth];
        var random = new CounterRandom(5, RandomPurpose.Texture, 0, 0);
        foreach (ref var pixel in pixels.AsSpan()) pixel = (byte)random.NextUInt32();
        return pixels;
    }
}
