using System.Text.Json;
using Tessera.Models;

namespace Tessera.Weights;

/// <summary>What a new model took of another's weights, by <see cref="ModelFile.LoadInto"/>.</summary>
/// <param name="File">The file they came from.</param>
/// <param name="Description">What that file says of its model.</param>
/// <param name="Taken">The new model's tensors that now hold the file's values.</param>
/// <param name="Left">Those that keep the weights that they had.</param>
/// <param name="Reasons">Why they do, a difference each; empty where all were taken.</param>
public sealed record InitialWeights(
    string File, ModelDescription Description, IReadOnlyList<string> Taken, IReadOnlyList<string> Left, IReadOnlyList<string> Reasons)
{
    /// <exception cref="ModelFileException">The encoder is another, or the file lacks a tensor; the model is as it was.</exception>
    internal static InitialWeights Take(string file, SafetensorsFile weights, ModelDescription description, MaskedAutoencoder model)
    {
        var differences = Different(Encoder(description.Encoder), Encoder(model.Options.Encoder));
        if (differences.Count > 0)
            throw new ModelFileException($"The encoder of {file} does not fit the new model: {string.Join("; ", differences)}. Give the new model the same encoder.");
        List<string> reasons = description.Reconstruction is { } head
            ? Different(Decoder(head), Decoder(model.Options))
            : ["the file holds no decoder"];

        var parameters = ModelFile.Parameters(model).ToList();
        var taken = parameters.Where(p => reasons.Count == 0 || p.Name.StartsWith(ModelFile.EncoderPrefix, StringComparison.Ordinal)).ToList();
        var prefix = ModelFile.Prefix(weights);
        foreach (var (name, value) in taken) ModelFile.RequireFit(file, weights, prefix + name, value);
        foreach (var (name, value) in taken) ModelFile.Read(file, weights, prefix + name, value);
        string[] names = [.. taken.Select(p => p.Name)];
        return new InitialWeights(file, description, names, [.. parameters.Select(p => p.Name).Except(names)], reasons);
    }

    /// <summary>All that an encoder's weights mean something for. Sines and cosines are made anew for any grid.</summary>
    private static (string What, string Value)[] Encoder(VisionTransformerOptions options) =>
    [
        ("width", $"{options.Width}"),
        ("depth", $"{options.Depth}"),
        ("number of heads", $"{options.Heads}"),
        ("MLP ratio", $"{options.MlpRatio}"),
        ("patch size", $"{options.PatchSize}"),
        ("number of channels", $"{options.Channels}"),
        ("number of class tokens", options.ClassToken ? "1" : "0"),
        ("position embedding", options.Positions == PositionEmbedding.Learned
            ? $"learned for {options.GridHeight}x{options.GridWidth} patches"
            : Word(options.Positions)),
    ];

    private static (string What, string Value)[] Decoder(ReconstructionOptions options) =>
    [
        ("placement of mask tokens", Word(options.Placement)),
        ("number of mask tokens", $"{options.MaskTokens}"),
        ("decoder width", $"{options.DecoderWidth}"),
        ("decoder depth", $"{options.DecoderDepth}"),
        ("number of decoder heads", $"{options.DecoderHeads}"),
        ("target", Word(options.Target)),
    ];

    private static List<string> Different((string What, string Value)[] file, (string What, string Value)[] model) =>
        [.. file.Zip(model).Where(pair => pair.First != pair.Second).Select(pair => $"the {pair.First.What} is {pair.First.Value}, not {pair.Second.Value}")];

    private static string Word(Enum value) => JsonNamingPolicy.KebabCaseLower.ConvertName(value.ToString());
}
