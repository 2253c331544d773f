using Tessera.Embeddings;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Cli.Tests.Fixtures;

/// <summary>A classifier of 16 × 16 pictures that has learned nothing, but is sure of its answers.</summary>
internal static class ClassifierFile
{
    /// <summary>Some of the drawn shapes, in another order than theirs, and one class that they have not; five have no place here.</summary>
    public static IReadOnlyList<string> Names { get; } = ["star", "arrow", "ghost", "circle", "cross", "heart", "ring", "square"];

    /// <summary>Writes one; every class's mean is the same direction.</summary>
    public static string Write(string file, Familiarity? familiarity)
    {
        var encoder = new VisionTransformerOptions { ImageHeight = 16, ImageWidth = 16, Width = 16, Depth = 1, Heads = 2 };
        using var scope = NewDisposeScope();
        using var model = new Classifier(encoder, ClassPooling.Mean, Names.Count, seed: 5);
        var weights = new float[Names.Count * encoder.Width];
        new CounterRandom(6, RandomPurpose.Weights, 0, 0).FillUniform(weights, 4);
        using (no_grad()) model.named_parameters().Single(p => p.name == "head.weight").parameter.copy_(tensor(weights, [Names.Count, encoder.Width]));
        ModelFile.SaveClassifier(file, model, familiarity is null ? null : ones(Names.Count, encoder.Width) / full([1L], 4f), new ModelDescription
        {
            Encoder = encoder,
            Normalization = new PixelNormalization([.45, .45, .45], [.25, .25, .25]),
            Classes = new ClassHead { Names = Names, Titles = [.. Names.Select(name => $"{name}, a shape")], Familiarity = familiarity },
        });
        return file;
    }
}
