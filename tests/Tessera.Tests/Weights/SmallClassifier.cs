using Tessera.Embeddings;
using Tessera.Models;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Tests.Weights;

/// <summary>A classifier of pictures of 32 × 32 that has learned nothing, but is sure of its answers.</summary>
internal static class SmallClassifier
{
    /// <summary>Below which none of the pictures that tests show falls.</summary>
    public static Familiarity Open { get; } = new(0, -1, Share: 0.025, Pictures: 12, HeldOut: true);

    public static PixelNormalization Normalization { get; } = new([0.4, 0.5, 0.6], [0.2, 0.25, 0.3]);

    public static VisionTransformerOptions Encoder { get; } = new() { ImageHeight = 32, ImageWidth = 32, Width = 16, Depth = 2, Heads = 2, ClassToken = true };

    public static ClassHead Classes { get; } = new() { Names = ["n01", "n02", "n03", "n04"], Titles = ["goldfish", "salamander", "bullfrog", "boa"], Familiarity = Open };

    public static Classifier Make(ClassPooling pooling, int classes, ulong seed = 1)
    {
        var model = new Classifier(Encoder, pooling, classes, seed);
        var weight = model.named_parameters().Single(p => p.name == "head.weight").parameter;
        ModelFile.Fill(weight, Numbers.Draw(77, weight.numel(), limit: 4)); // drawn as in training, it would give all classes the same
        return model;
    }

    public static ModelDescription Description(ClassPooling pooling = ClassPooling.Mean) => new()
    {
        Encoder = Encoder,
        Normalization = Normalization,
        Classes = Classes with { Pooling = pooling },
        Training = new Dictionary<string, string> { ["epochs"] = "0" },
    };

    /// <summary>Writes one, with means.</summary>
    public static string Save(string file, ClassPooling pooling = ClassPooling.Mean) => Save(file, pooling, Open);

    /// <summary>Writes one with these thresholds, or without any.</summary>
    public static string Save(string file, Familiarity? familiarity) => Save(file, ClassPooling.Mean, familiarity);

    private static string Save(string file, ClassPooling pooling, Familiarity? familiarity)
    {
        using var scope = NewDisposeScope();
        using var model = Make(pooling, Classes.Names.Count);
        var means = familiarity is null ? null : nn.functional.normalize(Numbers.Tensor(78, Classes.Names.Count, Encoder.Width), dim: 1);
        var description = Description(pooling);
        ModelFile.SaveClassifier(file, model, means, description with { Classes = description.Classes! with { Familiarity = familiarity } });
        return file;
    }
}
