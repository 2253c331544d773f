using Tessera.Models;
using Tessera.Weights;

namespace Tessera.Tests.Weights;

/// <summary>A classifier of pictures of 32 × 32 that has learned nothing, but is sure of its answers.</summary>
internal static class SmallClassifier
{
    public static PixelNormalization Normalization { get; } = new([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]);

    public static VisionTransformerOptions Encoder { get; } = new() { ImageHeight = 32, ImageWidth = 32, Width = 16, Depth = 2, Heads = 2, ClassToken = true };

    public static Classifier Make(ClassPooling pooling, int classes, ulong seed = 1)
    {
        var model = new Classifier(Encoder, pooling, classes, seed);
        var weight = model.named_parameters().Single(p => p.name == "head.weight").parameter;
        ModelFile.Fill(weight, Numbers.Draw(77, weight.numel(), limit: 4)); // drawn as in training, it would give all classes the same
        return model;
    }
}
