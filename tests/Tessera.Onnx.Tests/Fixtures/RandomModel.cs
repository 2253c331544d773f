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
        using (no_grad())
        {
            foreach (var (number, (_, value)) in ModelFile.Parameters(model).Index())
            {
                using var scope = NewDisposeScope();
                var noise = new float[value.numel()];
                new CounterRandom(7, RandomPurpose.Weights, 0, (uint)number).FillUniform(noise, Spread);
                value.copy_(value.add(tensor(noise, value.shape), alpha: 1));
            }
        }
        ModelFile.Save(file, model, new ModelDescription
        {
            Encoder = encoder,
            Normalization = encoder.Channels == 1 ? new PixelNormalization([.45], [.23]) : new PixelNormalization([.48, .45, .4], [.28, .27, .25]),
            Reconstruction = new ReconstructionHead(model.Options, new MaskOptions()),
            Training = new Dictionary<string, string> { ["preset"] = "none" },
        });
        return file;
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
