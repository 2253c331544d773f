using System.Globalization;
using System.Text.Json;
using Tessera.Models;
using Tessera.Weights.Layouts;
using static TorchSharp.torch;

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
    internal static InitialWeights Take(ModelSource source, MaskedAutoencoder model)
    {
        var (file, description) = (source.File, source.Description);
        var differences = Different(Encoder(description.Encoder), Encoder(model.Options.Encoder));
        if (differences.Count > 0)
            throw new ModelFileException($"The encoder of {file} does not fit the new model: {string.Join("; ", differences)}. Give the new model the same encoder.");
        List<string> reasons = description.Reconstruction is { } head
            ? Different(Decoder(head), Decoder(model.Options))
            : ["the file holds no decoder"];

        var parameters = ModelFile.Parameters(model).ToList();
        var taken = parameters.Where(p => reasons.Count == 0 || p.Name.StartsWith(ModelFile.EncoderPrefix, StringComparison.Ordinal)).ToList();
        Fill(source, taken, model.Options.Encoder);
        string[] names = [.. taken.Select(p => p.Name)];
        return new InitialWeights(file, description, names, [.. parameters.Select(p => p.Name).Except(names)], reasons);
    }

    /// <summary>An encoder's weights, of a file whose encoder is the same but for the pictures' size.</summary>
    /// <exception cref="ModelFileException">The file lacks a tensor; the encoder is as it was.</exception>
    internal static void Take(ModelSource source, VisionTransformer encoder) =>
        Fill(source, [.. ModelFile.Parameters(encoder).Select(p => (ModelFile.EncoderPrefix + p.Name, p.Value))], encoder.Options);

    /// <exception cref="ModelFileException">The file lacks a tensor; the model is as it was.</exception>
    private static void Fill(ModelSource source, IReadOnlyList<(string Name, Tensor Value)> taken, VisionTransformerOptions to)
    {
        var from = source.Description.Encoder;
        var grid = (from.GridHeight, from.GridWidth);
        var resizes = grid != (to.GridHeight, to.GridWidth);
        bool IsResized(string name) => resizes && ModelTensors.IsPositions(name);
        foreach (var (name, value) in taken)
        {
            if (IsResized(name)) source.RequireShape(name, Table(source, value));
            else source.RequireFit(name, value);
        }
        foreach (var (name, value) in taken)
        {
            if (IsResized(name)) Resize(source, name, value, grid, to);
            else source.Read(name, value);
        }
    }

    /// <summary>The shape of a table of positions for the grid that its file tells of.</summary>
    private static long[] Table(ModelSource source, Tensor target) => [1, source.Description.Encoder.PositionCount, target.shape[^1]];

    /// <summary>Learned positions of another grid of patches.</summary>
    private static void Resize(ModelSource source, string name, Tensor target, (int, int) from, VisionTransformerOptions to)
    {
        ModelFile.Fill(target, PositionResizing.Resize(source.Values(name, Table(source, target)), from, (to.GridHeight, to.GridWidth), (int)target.shape[^1]));
    }

    /// <summary>All that an encoder's weights mean something for. Sines and cosines are made anew for any grid, and learned positions resized.</summary>
    private static (string What, string Value)[] Encoder(VisionTransformerOptions options) =>
    [
        ("width", $"{options.Width}"),
        ("depth", $"{options.Depth}"),
        ("number of heads", $"{options.Heads}"),
        ("MLP ratio", $"{options.MlpRatio}"),
        ("patch size", $"{options.PatchSize}"),
        ("number of channels", $"{options.Channels}"),
        ("number of class tokens", options.ClassToken ? "1" : "0"),
        ("number of register tokens", $"{options.RegisterTokens}"),
        ("scaling of branches", options.LayerScale ? "LayerScale" : "none"),
        ("norms' epsilon", string.Create(CultureInfo.InvariantCulture, $"{options.NormEpsilon}")),
        ("position embedding", Word(options.Positions)),
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
