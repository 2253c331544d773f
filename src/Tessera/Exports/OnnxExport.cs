using Google.Protobuf;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Weights;
using Tessera.Weights.Layouts;

namespace Tessera.Exports;

/// <summary>Models as ONNX files, which run without libtorch: written from a model's own file, operator by operator as <c>Models</c> computes.</summary>
/// <remarks>
/// Operators of version 17; any number of pictures at once, as (B, H, W, C) bytes of the model's size; standardising is part of the graph, and it computes in
/// fp32. The metadata's key <c>tessera.onnx</c> says what the model is. libtorch is needed for the golden picture alone.
/// </remarks>
public static class OnnxExport
{
    private const long MostBytes = int.MaxValue - (1 << 20); // protocol buffers count in 32 bits; the graph itself takes far less than a megabyte

    /// <summary>Writes an encoder: of pictures their vectors, <c>vector</c> (B, D), and the patch tokens of the last layer that those take, <c>patches</c> (B, N, width).</summary>
    /// <param name="model">What <see cref="ModelFile.Find"/> takes.</param>
    /// <param name="file">Where to, <c>NAME.onnx</c>; its folder exists.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ModelFileException">There is no such model, or its file does not fit its description.</exception>
    /// <exception cref="OptionsException">The encoder has no such vectors, or its weights do not fit the format or the file.</exception>
    /// <exception cref="SafetensorsException">The model's file is damaged.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static OnnxExported Encoder(string model, string file, OnnxExportOptions? options = null)
    {
        var (taken, source) = (options ?? new OnnxExportOptions(), ModelFile.Find(model));
        using var opened = ModelSource.Open(source, ModelFile.AsItStands);
        var description = opened.Description;
        var shape = description.Encoder;
        taken.Kind.Require(shape);

        var graph = new OnnxGraph(OnnxMetadata.Encoder);
        Build(source, () =>
        {
            var encoder = new EncoderGraph(graph, new OnnxWeights(opened, graph, taken.Weights), description);
            var tokens = encoder.Placed(encoder.Embed(EncoderGraph.PatchesOfInput(graph, description)));
            var layers = encoder.Encode(tokens, taken.Kind.Layers.Count > 0 ? taken.Kind.Layers : [shape.Depth]);
            string[] vectors = [.. layers.Select(layer => encoder.Pooled(layer, taken.Kind.Pooling))];
            var vector = vectors.Length == 1 ? vectors[0] : graph.Add("encoder.vectors", "Concat", vectors, ("axis", 1));
            graph.Output(OnnxMetadata.Vector, vector, taken.Kind.Width(shape));
            graph.Output(OnnxMetadata.Patches, encoder.PatchesOf(layers[^1]), shape.PatchCount, shape.Width);
        });
        var metadata = Describe(OnnxMetadata.Encoder, source, description, taken) with { VectorWidth = taken.Kind.Width(shape), VectorKind = taken.Kind.ToString() };
        Write(file, graph, metadata);
        return Finished(file, taken.Golden ? OnnxGoldenFiles.OfEncoder(source, file, taken) : null);
    }

    /// <summary>
    /// Writes a whole masked autoencoder: of pictures and their masks the restored ones, <c>picture</c> (B, H, W, C) from 0 to 1. Inputs besides the
    /// pictures: <c>visible</c> (B, Nv) and <c>hidden</c> (B, Nh), places in raster order from 0, together all of them; and <c>tokens</c> (B, Nh), the
    /// number of the mask token at each hidden place.
    /// </summary>
    /// <inheritdoc cref="Encoder"/>
    public static OnnxExported Reconstruction(string model, string file, OnnxExportOptions? options = null)
    {
        var (taken, source) = (options ?? new OnnxExportOptions(), ModelFile.Find(model));
        using var opened = ModelSource.Open(source, new ImportOptions());
        var description = opened.Description;
        var shape = description.RequireReconstruction(source);

        var graph = new OnnxGraph(OnnxMetadata.Reconstruction);
        Build(source, () => ReconstructionGraph.Build(graph, new OnnxWeights(opened, graph, taken.Weights), description, shape));
        var metadata = Describe(OnnxMetadata.Reconstruction, source, description, taken) with
        {
            MaskTokens = shape.MaskTokens,
            MaskRatio = description.Reconstruction!.Mask.Ratio, // it has one, else it had been refused
        };
        Write(file, graph, metadata);
        return Finished(file, taken.Golden ? OnnxGoldenFiles.OfReconstruction(source, file, taken) : null);
    }

    /// <summary>
    /// Writes a classifier: of pictures the probabilities of its classes, <c>probabilities</c> (B, K), and where the file has the classes' means the cosine to the
    /// nearest, <c>similarity</c> (B).
    /// </summary>
    /// <param name="model">What <see cref="ModelFile.Find"/> takes.</param>
    /// <param name="file">Where to, <c>NAME.onnx</c>; its folder exists.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <exception cref="ModelFileException">There is no such model, it knows no classes, or its file does not fit its description.</exception>
    /// <exception cref="OptionsException">Its weights do not fit the format or the file.</exception>
    /// <exception cref="SafetensorsException">The model's file is damaged.</exception>
    /// <exception cref="IOException">A file cannot be written.</exception>
    public static OnnxExported Classifier(string model, string file, OnnxExportOptions? options = null)
    {
        var (taken, source) = (options ?? new OnnxExportOptions(), ModelFile.Find(model));
        using var opened = ModelSource.Open(source, ModelFile.AsItStands);
        var description = opened.Description;
        var classes = description.RequireClasses(source);

        var graph = new OnnxGraph(OnnxMetadata.Classifier);
        Build(source, () =>
        {
            var encoder = new EncoderGraph(graph, new OnnxWeights(opened, graph, taken.Weights), description);
            var tokens = encoder.Placed(encoder.Embed(EncoderGraph.PatchesOfInput(graph, description)));
            var pooled = encoder.Pooled(encoder.Encode(tokens, [description.Encoder.Depth])[0], FeatureKind.Of(classes.Pooling).Pooling);
            graph.Output(OnnxMetadata.Probabilities, encoder.Probabilities(pooled, classes.Names.Count), classes.Names.Count);
            if (classes.Familiarity is not null) graph.Output(OnnxMetadata.Similarity, encoder.Similarity(pooled, classes.Names.Count));
        });
        var metadata = Describe(OnnxMetadata.Classifier, source, description, taken) with
        {
            Classes = [.. classes.Names],
            Titles = [.. classes.Titles],
            Pooling = classes.Pooling.ToString().ToLowerInvariant(),
            Familiarity = classes.Familiarity,
        };
        Write(file, graph, metadata);
        return Finished(file, taken.Golden ? OnnxGoldenFiles.OfClassifier(source, file, taken) : null);
    }

    private static void Build(string source, Action build)
    {
        try
        {
            build();
        }
        catch (OverflowException e)
        {
            throw new OptionsException([$"{source} cannot be exported with such weights: {e.Message}"]);
        }
    }

    private static void Write(string file, OnnxGraph graph, OnnxMetadata metadata)
    {
        if (graph.ConstantBytes > MostBytes)
            throw new OptionsException([$"the weights of {metadata.Model} take {graph.ConstantBytes:n0} bytes as {metadata.Weights}, and an ONNX file holds 2 GB: choose a smaller format"]);
        var result = metadata.Holds switch
        {
            OnnxMetadata.Encoder => metadata.VectorKind,
            OnnxMetadata.Classifier => $"probabilities of {metadata.Classes!.Length} classes",
            _ => "restored picture",
        };
        var words = $"{result}, of {metadata.Model}";
        var model = graph.Model(EnvironmentReport.Version, words, (OnnxMetadata.Key, metadata.ToJson()));
        WholeFile.Naming(file, () => WholeFile.Write(file, stream => model.WriteTo(stream)));
    }

    private static OnnxMetadata Describe(string holds, string source, ModelDescription description, OnnxExportOptions options)
    {
        var shape = description.Encoder;
        return new OnnxMetadata
        {
            Holds = holds,
            Model = Path.GetFileName(source),
            Fingerprint = FeatureSource.HashOf(source),
            Weights = options.Weights.ToString().ToLowerInvariant(),
            Channels = shape.Channels,
            Height = shape.ImageHeight,
            Width = shape.ImageWidth,
            PatchSize = shape.PatchSize,
            TokenWidth = shape.Width,
            Mean = [.. description.Normalization.Mean],
            Deviation = [.. description.Normalization.Deviation],
            Data = description.Data?.Source,
            Training = new SortedDictionary<string, string>(description.Training.ToDictionary(), StringComparer.Ordinal),
        };
    }

    private static OnnxExported Finished(string file, string? golden) => new(file, new FileInfo(file).Length, golden);
}

/// <summary>How a model is exported.</summary>
public sealed record OnnxExportOptions
{
    /// <summary>How matrices are stored. As they are: nothing is lost.</summary>
    public WeightFormat Weights { get; init; } = WeightFormat.Fp32;

    /// <summary>Of an encoder, what of its output a vector is.</summary>
    public FeatureKind Kind { get; init; } = FeatureKind.Standard;

    /// <summary>Whether a picture is laid beside the file, and what libtorch makes of it, so that whoever runs the file can check it.</summary>
    public bool Golden { get; init; } = true;
}

/// <summary>What was exported.</summary>
/// <param name="File">The ONNX file.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Golden">What it gives for the picture beside it, <c>NAME.golden.json</c>; null: that was not wanted.</param>
public sealed record OnnxExported(string File, long Bytes, string? Golden);
