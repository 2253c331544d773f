using Tessera.Models;
using Tessera.Weights;
using static Onnx.TensorProto.Types;

namespace Tessera.Exports;

/// <summary>A masked autoencoder as operators, from a picture and its mask to the restored picture: the twin of <see cref="MaskedAutoencoder"/>.</summary>
internal sealed class ReconstructionGraph
{
    private readonly OnnxGraph graph;
    private readonly OnnxWeights weights;
    private readonly TransformerGraph parts;
    private readonly EncoderGraph encoder;
    private readonly ModelDescription description;
    private readonly MaskedAutoencoderOptions options;
    private readonly string visible, hidden, numbers; // inputs

    private ReconstructionGraph(OnnxGraph graph, OnnxWeights weights, ModelDescription description, MaskedAutoencoderOptions options)
    {
        (this.graph, this.weights, this.description, this.options) = (graph, weights, description, options);
        parts = new TransformerGraph(graph, weights, options.Encoder.NormEpsilon, layerScale: false); // the decoder's blocks have none
        encoder = new EncoderGraph(graph, weights, description);
        visible = graph.Input(OnnxMetadata.Visible, DataType.Int64, "visible places");
        hidden = graph.Input(OnnxMetadata.Hidden, DataType.Int64, "hidden places");
        numbers = graph.Input(OnnxMetadata.Tokens, DataType.Int64, "hidden places");
    }

    /// <summary>Adds everything, from inputs to output.</summary>
    /// <param name="graph">Where it goes.</param>
    /// <param name="weights">Its weights.</param>
    /// <param name="description">What it is.</param>
    /// <param name="options">Of it, the whole autoencoder's shape.</param>
    public static void Build(OnnxGraph graph, OnnxWeights weights, ModelDescription description, MaskedAutoencoderOptions options)
    {
        var patches = EncoderGraph.PatchesOfInput(graph, description); // (B, N, V), the first input
        var model = new ReconstructionGraph(graph, weights, description, options);
        var picture = model.Picture(model.Pasted(patches, model.Decode(model.Encode(patches))));
        graph.Output(OnnxMetadata.Picture, picture, options.Encoder.ImageHeight, options.Encoder.ImageWidth, options.Encoder.Channels);
    }

    /// <returns>(B, [1 +] N or Nv, D)</returns>
    private string Encode(string patches)
    {
        var tokens = encoder.AtPlaces(encoder.Embed(Pick(patches, visible)), visible);                                  // (B, Nv, D)
        if (options.Placement == MaskPlacement.Encoder)
            tokens = Joined("encoder.sequence", tokens, encoder.AtPlaces(MaskTokens(options.Encoder.Width), hidden));   // (B, N, D)
        return encoder.Encode(tokens, [options.Encoder.Depth])[0];
    }

    /// <returns>(B, Nh, V): the hidden places, in the target's units</returns>
    private string Decode(string encoded)
    {
        var (width, inner, values) = (options.Encoder.Width, options.DecoderWidth, options.Encoder.PatchValues);
        var early = options.Placement == MaskPlacement.Encoder;
        var tokens = early ? parts.Mlp("decoder_embed", encoded, width, width, inner) : parts.Linear("decoder_embed", encoded, width, inner);
        if (!early) tokens = graph.Add("decoder.placed", "Add", [Joined("decoder.sequence", tokens, MaskTokens(inner)), Positions(encoded)]);
        for (var i = 0; i < options.DecoderDepth; i++)
            tokens = parts.Block($"decoder_blocks.{i}", tokens, inner, options.DecoderHeads, options.Encoder.MlpRatio);      // (B, [1 +] N, Dd)

        var first = graph.Add("decoder.first", "Sub", [Length(tokens), Length(hidden)]);
        var shown = parts.Norm("decoder_norm", parts.From("decoder.hidden", tokens, first), inner);                          // (B, Nh, Dd)
        return early ? parts.Mlp("decoder_pred", shown, inner, inner, values) : parts.Linear("decoder_pred", shown, inner, values);
    }

    /// <summary>The decoder's positions in the order of the sequence, (B, [1 +] N, Dd).</summary>
    private string Positions(string encoded)
    {
        var width = options.DecoderWidth;
        var (ofPlaces, ofClass) = EncoderGraph.Positions(weights, "decoder_pos_embed", options.Encoder, width);
        var table = graph.Floats("decoder_pos_embed", ofPlaces, options.Encoder.PatchCount, width);
        var placed = graph.Add("decoder.places", "Gather", [table, Joined("decoder.order", visible, hidden)]);              // (B, N, Dd)
        if (ofClass is null) return placed;
        var first = graph.Floats("decoder_pos_embed.cls", ofClass, 1, 1, width);
        return Joined("decoder.places", parts.ForEach("decoder.cls", first, encoded, 1, width), placed);
    }

    /// <summary>Restored patches in the hidden places, the picture's own in the visible ones, in raster order.</summary>
    private string Pasted(string patches, string prediction)
    {
        var restored = options.Target == ReconstructionTarget.NormalizedPixels ? Denormalized(prediction, Pick(patches, hidden)) : prediction;
        var shape = graph.Add("restored.shape", "Shape", [restored]);
        var places = graph.Add("restored.places", "Expand", [Column(hidden), shape]);                                        // (B, Nh, V)
        return graph.Add("restored.patches", "ScatterElements", [patches, places, restored], ("axis", 1));
    }

    /// <summary>Twin of <see cref="PatchNormalization.Denormalize"/>: each patch's light and contrast are the true one's.</summary>
    private string Denormalized(string prediction, string truth)
    {
        var last = ("axes", (object)new long[] { -1 });
        var mean = graph.Add("truth.mean", "ReduceMean", [truth], last);
        var centred = graph.Add("truth.centred", "Sub", [truth, mean]);
        var squares = graph.Add("truth.squares", "ReduceSum", [graph.Add("truth.squares", "Mul", [centred, centred]), graph.Longs(-1)]);
        var variance = graph.Add("truth.variance", "Div", [squares, graph.Number(options.Encoder.PatchValues - 1)]);
        var deviation = graph.Add("truth.deviation", "Sqrt", [graph.Add("truth.variance", "Add", [variance, graph.Number(1e-6f)])]);
        return graph.Add("restored", "Add", [graph.Add("restored", "Mul", [prediction, deviation]), mean]);
    }

    /// <summary>Patches to a picture from 0 to 1, (B, H, W, C).</summary>
    private string Picture(string patches)
    {
        var (shape, pixels) = (options.Encoder, description.Normalization);
        var cut = graph.Add("picture.cut", "Reshape", [patches, graph.Longs(0, shape.GridHeight, shape.GridWidth, shape.PatchSize, shape.PatchSize, shape.Channels)]);
        var ordered = graph.Add("picture.cut", "Transpose", [cut], ("perm", new long[] { 0, 1, 3, 2, 4, 5 }));                // (B, h, p, w, p, C)
        var standardized = graph.Add("picture.standardized", "Reshape", [ordered, graph.Longs(0, shape.ImageHeight, shape.ImageWidth, shape.Channels)]);
        var scale = graph.Floats("picture.scale", [.. pixels.Deviation.Select(d => (float)d)], shape.Channels);
        var shift = graph.Floats("picture.shift", [.. pixels.Mean.Select(mean => (float)mean)], shape.Channels);
        var values = graph.Add("picture.values", "Add", [graph.Add("picture.values", "Mul", [standardized, scale]), shift]);
        return graph.Add("picture.clipped", "Clip", [values, graph.Scalar(0), graph.Scalar(1)]);
    }

    /// <summary>The mask tokens of the given numbers, (B, Nh, width).</summary>
    private string MaskTokens(int width) => graph.Add("mask_tokens", "Gather", [weights.Put("mask_tokens.weight", options.MaskTokens, width), numbers]);

    /// <summary>The patches of the given places, (B, n, V).</summary>
    private string Pick(string patches, string places) => graph.Add($"{places}.patches", "GatherND", [patches, Column(places)], ("batch_dims", 1));

    private string Column(string places) => graph.Add($"{places}.column", "Unsqueeze", [places, graph.Longs(2)]);

    private string Length(string sequence) => graph.Add($"{sequence}.length", "Shape", [sequence], ("start", 1), ("end", 2));

    private string Joined(string at, string first, string second) => graph.Add(at, "Concat", [first, second], ("axis", 1));
}
