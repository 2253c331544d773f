using Tessera.Masking;
using Tessera.Models;
using Tessera.Weights;

namespace Tessera.Tests.Weights;

/// <summary>A model of a few thousand weights, no option of which has its default.</summary>
internal static class SmallModel
{
    public static MaskedAutoencoderOptions Shape { get; } = new()
    {
        Encoder = new()
        {
            Channels = 1,
            ImageHeight = 8,
            ImageWidth = 12,
            PatchSize = 4,
            Width = 16,
            Depth = 1,
            Heads = 2,
            MlpRatio = 2,
            ClassToken = true,
            Positions = PositionEmbedding.Learned,
            RegisterTokens = 2,
            LayerScale = true,
            NormEpsilon = 1e-5,
        },
        Placement = MaskPlacement.Decoder,
        MaskTokens = 5,
        DecoderWidth = 8,
        DecoderDepth = 1,
        DecoderHeads = 2,
        Target = ReconstructionTarget.NormalizedPixels,
        LossOn = LossPlaces.All,
    };

    public static ModelDescription Description { get; } = new()
    {
        Encoder = Shape.Encoder,
        Normalization = new PixelNormalization([1 / 3.0], [0.4]),
        Reconstruction = new ReconstructionHead(Shape, new MaskOptions { Ratio = 0.6, Masking = "block", Unit = 4 }),
        Data = new DataFacts("flat folder: cats", "0123abcd", SplitSeed: ulong.MaxValue, HoldOutDevelopment: true, Pictures: 12),
        Training = new Dictionary<string, string> { ["preset"] = "none", ["epochs"] = "3" },
    };

    /// <summary>The model's tensors as a file holds them.</summary>
    public static IEnumerable<SafetensorsTensor> Tensors(MaskedAutoencoder model) =>
        ModelFile.Parameters(model).Select(p => ModelFile.ToFile(p.Name, p.Value));

    /// <summary>Writes what a checkpoint of the model holds: its tensors under a prefix, and others beside them.</summary>
    public static void SaveCheckpoint(string file, MaskedAutoencoder model, ModelDescription description)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        var tensors = ModelFile.Parameters(model).SelectMany(p => new[]
        {
            ModelFile.ToFile("model." + p.Name, p.Value), ModelFile.ToFile("optimizer.mean." + p.Name, p.Value),
        });
        SafetensorsWriter.Write(file, [.. tensors], ModelFile.Metadata(description));
    }
}
