using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using Tessera.Exports;
using Tessera.Imaging;

namespace Tessera.Onnx;

/// <summary>An exported model that is loaded: what it says of itself, held against what it is.</summary>
internal sealed partial class OnnxModel : IDisposable
{
    private readonly InferenceSession session;

    private OnnxModel(string file, InferenceSession session, OnnxMetadata metadata)
    {
        (File, this.session, Metadata) = (file, session, metadata);
        Shape = new ImageShape(metadata.Channels, metadata.Height, metadata.Width);
    }

    /// <summary>The file.</summary>
    public string File { get; }

    /// <summary>What it says of itself.</summary>
    public OnnxMetadata Metadata { get; }

    /// <summary>Of its pictures.</summary>
    public ImageShape Shape { get; }

    /// <summary>Loads a file.</summary>
    /// <param name="file">What <c>OnnxExport</c> wrote.</param>
    /// <param name="holds">The kind of graph that is needed.</param>
    /// <param name="options">How it shall run; null: <see cref="DefaultOptions"/>.</param>
    /// <exception cref="OnnxModelException">There is no such file, or it is another.</exception>
    public static OnnxModel Load(string file, string holds, SessionOptions? options)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        if (!System.IO.File.Exists(file)) throw new OnnxModelException($"There is no ONNX model at {file}.");
        InferenceSession session;
        try
        {
            using var own = options is null ? DefaultOptions() : null;
            session = new InferenceSession(file, options ?? own);
        }
        catch (OnnxRuntimeException e)
        {
            throw new OnnxModelException($"{file} cannot be loaded as an ONNX model: {e.Message.ReplaceLineEndings(" ").Trim().TrimEnd('.')}.", e);
        }
        try
        {
            return new OnnxModel(file, session, Read(file, session, holds));
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    /// <summary>Runs the graph into memory that the caller has.</summary>
    /// <param name="inputs">By name, each in memory of its shape.</param>
    /// <param name="outputs">By name: what receives it, as long as its shape says.</param>
    /// <param name="cancellation">Ends it between operators.</param>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public void Run(
        IReadOnlyList<(string Name, OrtValue Value)> inputs, IReadOnlyList<(string Name, Memory<float> Values, long[] Shape)> outputs, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var results = new List<OrtValue>();
        using var options = new RunOptions();
        using var ended = cancellation.Register(() => options.Terminate = true);
        try
        {
            foreach (var (_, values, shape) in outputs) results.Add(OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, values, shape));
            session.Run(options, [.. inputs.Select(input => input.Name)], [.. inputs.Select(input => input.Value)], [.. outputs.Select(output => output.Name)], results);
        }
        catch (OnnxRuntimeException) when (cancellation.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellation);
        }
        finally
        {
            foreach (var result in results) result.Dispose();
        }
    }

    /// <summary>Memory as an input.</summary>
    public static OrtValue Value<T>(Memory<T> values, params long[] shape) where T : unmanaged =>
        OrtValue.CreateTensorValueFromMemory(OrtMemoryInfo.DefaultInstance, values, shape);

    /// <summary>Closes the session.</summary>
    public void Dispose() => session.Dispose();

    private static SessionOptions DefaultOptions() => new();

    private static OnnxMetadata Read(string file, InferenceSession session, string holds)
    {
        if (!session.ModelMetadata.CustomMetadataMap.TryGetValue(OnnxMetadata.Key, out var text))
            throw new OnnxModelException($"{file} is an ONNX model of another kind: its metadata lacks '{OnnxMetadata.Key}', so Tessera did not export it.");
        var metadata = Parse(file, text);
        if (metadata.Holds != holds)
        {
            var need = holds switch
            {
                OnnxMetadata.Encoder => "vectors need an exported encoder",
                OnnxMetadata.Classifier => "names need an exported classifier",
                _ => "restoring needs an exported reconstruction",
            };
            throw new OnnxModelException($"{file} holds the {metadata.Holds} of {metadata.Model}, and {need}.");
        }
        if (!ImageShape.IsValid(metadata.Channels, metadata.Height, metadata.Width) || !Fits(session, metadata))
            throw new OnnxModelException($"{file} is not the graph that its metadata describes: export it anew.");
        return metadata;
    }

    private static OnnxMetadata Parse(string file, string text)
    {
        try
        {
            using var json = JsonDocument.Parse(text); // the version before anything else: another one's members may have any meaning
            var version = json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("version", out var said) && said.TryGetInt32(out var number) ? number : 0;
            if (version != OnnxMetadata.CurrentVersion)
                throw new OnnxModelException($"{file} was exported as version {version}, and this Tessera reads version {OnnxMetadata.CurrentVersion}: export it anew, or use the Tessera that wrote it.");
            return json.Deserialize(OnnxJson.Default.OnnxMetadata) ?? throw new JsonException("it is null");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new OnnxModelException($"{file} describes itself in a way that cannot be read ({e.Message.TrimEnd('.')}): export it anew.", e);
        }
    }

    /// <summary>Whether inputs and outputs are those that are going to be used.</summary>
    private static bool Fits(InferenceSession session, OnnxMetadata metadata)
    {
        var (inputs, outputs) = (session.InputMetadata, session.OutputMetadata);
        if (!inputs.TryGetValue(OnnxMetadata.Pixels, out var pixels) || !pixels.IsTensor || pixels.ElementType != typeof(byte)) return false;
        if (!pixels.Dimensions.AsSpan()[1..].SequenceEqual([metadata.Height, metadata.Width, metadata.Channels])) return false;
        return metadata.Holds switch
        {
            OnnxMetadata.Encoder => Has(OnnxMetadata.Vector, metadata.VectorWidth) && outputs.ContainsKey(OnnxMetadata.Patches) && metadata.VectorKind is not null,
            OnnxMetadata.Classifier => metadata.Classes is { Length: > 0 } classes && Has(OnnxMetadata.Probabilities, classes.Length) && metadata.Titles?.Length == classes.Length
                && (metadata.Familiarity is null || outputs.ContainsKey(OnnxMetadata.Similarity)),
            _ => Has(OnnxMetadata.Picture, metadata.Channels) && metadata.MaskTokens > 0 && metadata.PatchSize > 0
                && new[] { OnnxMetadata.Visible, OnnxMetadata.Hidden, OnnxMetadata.Tokens }.All(inputs.ContainsKey),
        };

        bool Has(string name, int? last) => outputs.TryGetValue(name, out var output) && output.IsTensor && output.ElementType == typeof(float) && output.Dimensions[^1] == last;
    }
}
