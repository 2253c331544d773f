using Tessera.Models;

namespace Tessera.Exports;

/// <summary>The parts of a transformer as operators, each the twin of a module in <c>Models</c>.</summary>
/// <param name="graph">Where they go.</param>
/// <param name="weights">Their weights, by the modules' names.</param>
/// <param name="normEpsilon">What norms add to a variance.</param>
/// <param name="layerScale">Whether branches of blocks are multiplied by a learned number a channel.</param>
internal sealed class TransformerGraph(OnnxGraph graph, OnnxWeights weights, double normEpsilon, bool layerScale)
{
    private const long ToTheEnd = long.MaxValue;

    /// <summary>A linear layer.</summary>
    /// <param name="at">The module's name.</param>
    /// <param name="input">(…, from)</param>
    /// <param name="from">Values in.</param>
    /// <param name="to">Values out.</param>
    /// <returns>(…, to)</returns>
    public string Linear(string at, string input, int from, int to) => Affine(at, input, weights.Matrix($"{at}.weight", from, to), to);

    /// <summary>Twin of <see cref="PatchProjection"/>.</summary>
    /// <param name="at">Its name.</param>
    /// <param name="patches">(B, n, p·p·C)</param>
    /// <param name="options">The encoder.</param>
    /// <returns>(B, n, D)</returns>
    public string Projection(string at, string patches, VisionTransformerOptions options)
    {
        var (channels, side) = (options.Channels, options.PatchSize);
        var kernel = weights.Read($"{at}.weight", options.Width, channels, side, side); // (D, C, p, p)
        var matrix = new float[kernel.Length];                                          // (D, p·p·C), as patches are ordered
        for (var i = 0; i < kernel.Length; i++)
        {
            var (output, channel, pixel) = (i / options.PatchValues, i / (side * side) % channels, i % (side * side));
            matrix[output * options.PatchValues + pixel * channels + channel] = kernel[i];
        }
        return Affine(at, patches, weights.Matrix($"{at}.weight", matrix, options.PatchValues, options.Width), options.Width);
    }

    /// <summary>Layer norm over the last dimension.</summary>
    public string Norm(string at, string input, int width) => Norm(at, input, weights.Put($"{at}.weight", width), weights.Put($"{at}.bias", width));

    /// <summary>Layer norm over the last dimension, with weights that are in the graph already.</summary>
    public string Norm(string at, string input, string scale, string shift) => graph.Add(
        at, "LayerNormalization", [input, scale, shift], ("axis", -1), ("epsilon", (float)normEpsilon));

    /// <summary>Twin of <see cref="Models.Mlp"/>, with the exact GELU: x / 2 · (1 + erf(x / √2)).</summary>
    public string Mlp(string at, string input, int width, int hidden, int output)
    {
        var inside = Linear($"{at}.fc1", input, width, hidden);
        var gelu = $"{at}.gelu";
        var error = graph.Add(gelu, "Erf", [graph.Add(gelu, "Div", [inside, graph.Number(MathF.Sqrt(2))])]);
        var gated = graph.Add(gelu, "Mul", [inside, graph.Add(gelu, "Add", [error, graph.Number(1)])]);
        return Linear($"{at}.fc2", graph.Add(gelu, "Mul", [gated, graph.Number(.5f)]), hidden, output);
    }

    /// <summary>Twin of <see cref="TransformerBlock"/>.</summary>
    /// <param name="at">Its name.</param>
    /// <param name="tokens">(B, n, D)</param>
    /// <param name="width">D.</param>
    /// <param name="heads">They share the width equally.</param>
    /// <param name="mlpRatio">Hidden width of the MLP over D.</param>
    /// <returns>(B, n, D)</returns>
    public string Block(string at, string tokens, int width, int heads, int mlpRatio)
    {
        var attention = Scaled($"{at}.ls1", Attention($"{at}.attn", Norm($"{at}.norm1", tokens, width), width, heads), width);
        var attended = graph.Add($"{at}.attended", "Add", [attention, tokens]);
        var made = Scaled($"{at}.ls2", Mlp($"{at}.mlp", Norm($"{at}.norm2", attended, width), width, mlpRatio * width, width), width);
        return graph.Add(at, "Add", [made, attended]);
    }

    private string Scaled(string at, string branch, int width) => layerScale ? graph.Add(at, "Mul", [branch, weights.Put($"{at}.gamma", width)]) : branch;

    /// <summary>Rows from <paramref name="first"/> on, of each picture.</summary>
    /// <param name="at">What they are called.</param>
    /// <param name="tokens">(B, n, D)</param>
    /// <param name="first">A list of one number, or its name.</param>
    public string From(string at, string tokens, string first) =>
        graph.Add(at, "Slice", [tokens, first, graph.Longs(ToTheEnd), graph.Longs(1)]);

    /// <summary>Rows for all pictures, once for each.</summary>
    /// <param name="at">What they are called.</param>
    /// <param name="rows">(1, n, D), a constant.</param>
    /// <param name="batch">Any value with the batch first.</param>
    /// <param name="number">n.</param>
    /// <param name="width">D.</param>
    /// <returns>(B, n, D)</returns>
    public string ForEach(string at, string rows, string batch, int number, int width)
    {
        var count = graph.Add($"{at}.count", "Shape", [batch], ("start", 0), ("end", 1));
        return graph.Add(at, "Expand", [rows, graph.Add($"{at}.shape", "Concat", [count, graph.Longs(number, width)], ("axis", 0))]);
    }

    /// <summary>Twin of <see cref="SelfAttention"/>, written out.</summary>
    private string Attention(string at, string tokens, int width, int heads)
    {
        var each = width / heads;
        var parts = graph.AddSeveral($"{at}.part", "Split", [Linear($"{at}.qkv", tokens, width, 3 * width)], 3, ("axis", 2)); // (B, n, D) each
        var scaled = graph.Add($"{at}.query", "Mul", [parts[0], graph.Number((float)(1 / Math.Sqrt(each)))]);
        var query = Heads(scaled, 0, 2, 1, 3);                                                         // (B, heads, n, D / heads)
        var scores = graph.Add($"{at}.scores", "MatMul", [query, Heads(parts[1], 0, 2, 3, 1)]);        // (B, heads, n, n)
        var taken = graph.Add($"{at}.weights", "Softmax", [scores], ("axis", -1));
        var mixed = graph.Add($"{at}.mixed", "MatMul", [taken, Heads(parts[2], 0, 2, 1, 3)]);          // (B, heads, n, D / heads)
        var merged = graph.Add($"{at}.merged", "Transpose", [mixed], ("perm", new long[] { 0, 2, 1, 3 }));
        return Linear($"{at}.proj", graph.Add($"{at}.merged", "Reshape", [merged, graph.Longs(0, 0, width)]), width, width);

        string Heads(string part, params long[] order) => graph.Add(
            $"{part}.heads", "Transpose", [graph.Add($"{part}.heads", "Reshape", [part, graph.Longs(0, 0, heads, each)])], ("perm", order));
    }

    private string Affine(string at, string input, string matrix, int to) =>
        graph.Add(at, "Add", [graph.Add(at, "MatMul", [input, matrix]), weights.Put($"{at}.bias", to)]);
}
