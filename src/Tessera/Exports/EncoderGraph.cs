using Tessera.Features;
using Tessera.Models;
using Tessera.Weights;
using static Onnx.TensorProto.Types;

namespace Tessera.Exports;

/// <summary>A Vision Transformer as operators, from a picture's bytes on: the twin of <see cref="VisionTransformer"/>.</summary>
internal sealed class EncoderGraph
{
    private const string At = "encoder"; // what a file calls it

    private readonly OnnxGraph graph;
    private readonly OnnxWeights weights;
    private readonly TransformerGraph parts;
    private readonly VisionTransformerOptions options;
    private readonly string positions; // (N, D)
    private readonly List<(string At, string Rows, int Count)> extra = []; // (1, n, D): the class token with its position, and the registers

    /// <param name="graph">Where it goes.</param>
    /// <param name="weights">Its weights.</param>
    /// <param name="description">What it is.</param>
    public EncoderGraph(OnnxGraph graph, OnnxWeights weights, ModelDescription description)
    {
        (this.graph, this.weights, options) = (graph, weights, description.Encoder);
        parts = new TransformerGraph(graph, weights, options.NormEpsilon, options.LayerScale);
        var (place, ofClass) = Positions(weights, $"{At}.pos_embed", options, options.Width);
        positions = graph.Floats($"{At}.pos_embed", place, options.PatchCount, options.Width);
        if (ofClass is not null)
        {
            var token = weights.Read($"{At}.cls_token", 1, 1, options.Width);
            for (var i = 0; i < token.Length; i++) token[i] += ofClass[i];
            extra.Add(($"{At}.cls", graph.Floats($"{At}.cls_token", token, 1, 1, options.Width), 1));
        }
        if (options.RegisterTokens > 0)
            extra.Add(($"{At}.registers", weights.Put($"{At}.register_tokens", 1, options.RegisterTokens, options.Width), options.RegisterTokens));
    }

    /// <summary>The graph's input, standardised and cut into patches.</summary>
    /// <param name="graph">Where it goes.</param>
    /// <param name="description">What takes it.</param>
    /// <returns>(B, N, p·p·C), in the order of <see cref="Patches"/></returns>
    public static string PatchesOfInput(OnnxGraph graph, ModelDescription description)
    {
        var (options, pixels) = (description.Encoder, description.Normalization);
        var (rows, columns, side, channels) = (options.GridHeight, options.GridWidth, options.PatchSize, options.Channels);
        var input = graph.Input(OnnxMetadata.Pixels, DataType.Uint8, options.ImageHeight, options.ImageWidth, channels);
        var scale = graph.Floats("pixels.scale", [.. pixels.Deviation.Select(d => (float)(1 / (255 * d)))], channels);
        var shift = graph.Floats("pixels.shift", [.. pixels.Mean.Zip(pixels.Deviation, (mean, d) => (float)(-mean / d))], channels);
        var values = graph.Add("pixels.values", "Cast", [input], ("to", (int)DataType.Float));
        var standardized = graph.Add("pixels.standardized", "Add", [graph.Add("pixels.standardized", "Mul", [values, scale]), shift]);
        var cut = graph.Add("pixels.cut", "Reshape", [standardized, graph.Longs(0, rows, side, columns, side, channels)]);     // (B, h, p, w, p, C)
        var ordered = graph.Add("pixels.cut", "Transpose", [cut], ("perm", new long[] { 0, 1, 3, 2, 4, 5 }));                  // (B, h, w, p, p, C)
        return graph.Add("pixels.patches", "Reshape", [ordered, graph.Longs(0, options.PatchCount, options.PatchValues)]);
    }

    /// <summary>Projects patches into the embedding space, without positions.</summary>
    /// <param name="patches">(B, n, p·p·C)</param>
    /// <returns>(B, n, D)</returns>
    public string Embed(string patches) => parts.Projection($"{At}.patch_embed.proj", patches, options);

    /// <summary>Adds the positions of given places.</summary>
    /// <param name="tokens">(B, n, D)</param>
    /// <param name="places">(B, n), int64</param>
    public string AtPlaces(string tokens, string places) => graph.Add($"{At}.placed", "Add", [tokens, graph.Add($"{At}.places", "Gather", [positions, places])]);

    /// <summary>Adds the positions of all places.</summary>
    /// <param name="tokens">(B, N, D)</param>
    public string Placed(string tokens) => graph.Add($"{At}.placed", "Add", [tokens, positions]);

    /// <summary>Runs the first blocks, and the last norm after each of the numbers of them that are asked for.</summary>
    /// <param name="tokens">(B, n, D), with positions</param>
    /// <param name="counts">How many blocks; several, for several layers.</param>
    /// <returns>For each (B, [1 +] n, D), the class token first.</returns>
    public IReadOnlyList<string> Encode(string tokens, IReadOnlyList<int> counts)
    {
        if (extra.Count > 0)
        {
            string[] together = [.. extra.Select(e => parts.ForEach(e.At, e.Rows, tokens, e.Count, options.Width)), tokens];
            tokens = graph.Add($"{At}.tokens", "Concat", together, ("axis", 1));
        }
        var taken = new Dictionary<int, string>();
        var (scale, shift) = (weights.Put($"{At}.norm.weight", options.Width), weights.Put($"{At}.norm.bias", options.Width));
        for (var made = 1; made <= counts.Max(); made++)
        {
            tokens = parts.Block($"{At}.blocks.{made - 1}", tokens, options.Width, options.Heads, options.MlpRatio);
            if (counts.Contains(made)) taken[made] = parts.Norm($"{At}.norm", WithoutRegisters(tokens), scale, shift);
        }
        return [.. counts.Select(count => taken[count])];
    }

    /// <param name="tokens">(B, [1 +] [R +] n, D)</param>
    /// <returns>(B, [1 +] n, D)</returns>
    private string WithoutRegisters(string tokens)
    {
        if (options.RegisterTokens == 0) return tokens;
        var patches = parts.From($"{At}.kept", tokens, graph.Longs(options.ExtraTokens));
        if (!options.ClassToken) return patches;
        var first = graph.Add($"{At}.kept", "Slice", [tokens, graph.Longs(0), graph.Longs(1), graph.Longs(1)]);
        return graph.Add($"{At}.kept", "Concat", [first, patches], ("axis", 1));
    }

    /// <summary>The patches of encoded tokens, without the class token.</summary>
    /// <param name="tokens">(B, [1 +] N, D)</param>
    /// <returns>(B, N, D)</returns>
    public string PatchesOf(string tokens) => options.ClassToken ? parts.From($"{At}.patches", tokens, graph.Longs(1)) : tokens;

    /// <summary>One vector of a layer's tokens: the twin of what <see cref="FeatureKind"/> does.</summary>
    /// <param name="tokens">(B, [1 +] N, D)</param>
    /// <param name="pooling">How.</param>
    /// <returns>(B, D), (B, 2·D) or (B, N·D)</returns>
    public string Pooled(string tokens, Pooling pooling)
    {
        return pooling switch
        {
            Pooling.Mean => Mean(),
            Pooling.Class => First(),
            Pooling.Both => graph.Add($"{At}.pooled", "Concat", [First(), Mean()], ("axis", 1)),
            _ => graph.Add($"{At}.pooled", "Reshape", [PatchesOf(tokens), graph.Longs(0, options.PatchCount * options.Width)]),
        };

        string Mean() => graph.Add($"{At}.pooled", "ReduceMean", [PatchesOf(tokens)], ("axes", new long[] { 1 }), ("keepdims", 0));
        string First() => graph.Add($"{At}.pooled", "Gather", [tokens, graph.Whole(0)], ("axis", 1));
    }

    /// <summary>The classes' probabilities: the twin of <see cref="Classifier.Logits"/>.</summary>
    /// <param name="pooled">(B, D): what stands for each picture</param>
    /// <param name="classes">K</param>
    /// <returns>(B, K)</returns>
    public string Probabilities(string pooled, int classes) =>
        graph.Add("head.probabilities", "Softmax", [parts.Linear("head", pooled, options.Width, classes)], ("axis", -1));

    /// <summary>How like the nearest class pictures are: the twin of <see cref="Classifier.Similarity"/>.</summary>
    /// <param name="pooled">(B, D): what stands for each picture</param>
    /// <param name="classes">K</param>
    /// <returns>(B)</returns>
    public string Similarity(string pooled, int classes)
    {
        const float AtLeast = 1e-12f; // libtorch's: a vector of zeros stays one
        var means = weights.Read(ModelFile.ClassMeans, classes, options.Width);
        var turned = new float[means.Length]; // (D, K)
        for (var i = 0; i < means.Length; i++) turned[i % options.Width * classes + i / options.Width] = means[i];
        var length = graph.Add("similarity.length", "ReduceL2", [pooled], ("axes", new long[] { 1 }), ("keepdims", 1));
        var unit = graph.Add("similarity.unit", "Div", [pooled, graph.Add("similarity.length", "Max", [length, graph.Number(AtLeast)])]);
        var cosines = graph.Add("similarity.cosines", "MatMul", [unit, graph.Floats(ModelFile.ClassMeans, turned, options.Width, classes)]); // (B, K)
        return graph.Add("similarity.nearest", "ReduceMax", [cosines], ("axes", new long[] { 1 }), ("keepdims", 0));
    }

    /// <summary>A model's positions, without libtorch: twin of <see cref="VisionTransformer.MakePositions"/>.</summary>
    /// <param name="weights">Has the learned ones.</param>
    /// <param name="name">Under this name.</param>
    /// <param name="options">The grid, and whether a class token has a position too.</param>
    /// <param name="width">Values of each.</param>
    /// <returns>(N, width) of the places, and (width) of the class token, or null where there is none.</returns>
    public static (float[] OfPlaces, float[]? OfClass) Positions(OnnxWeights weights, string name, VisionTransformerOptions options, int width)
    {
        if (options.Positions == PositionEmbedding.SinCos)
            return (SinCosPositions.Values(options.GridHeight, options.GridWidth, width), options.ClassToken ? new float[width] : null);
        var all = weights.Read(name, 1, options.PatchCount + (options.ClassToken ? 1 : 0), width);
        return options.ClassToken ? (all[width..], all[..width]) : (all, null);
    }
}
