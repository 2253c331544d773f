using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Imaging;

namespace Tessera.Cli.Commands;

/// <summary>What the verbs take that make vectors of a source's pictures.</summary>
/// <param name="isDataRequired">False where vectors may come from a file instead.</param>
/// <param name="limitWords">What is taken without a limit.</param>
internal sealed class EmbeddingOptionSet(bool isDataRequired = true, string limitWords = "default: all")
{
    private readonly PictureOptionSet pictures = new(isDataRequired, limitWords);
    private readonly Option<int?> layer = CommonOptions.Value<int?>("--layer", "N", "Take the tokens after so many blocks [default: after the last]");
    private readonly Option<Pooling> pool = CommonOptions.Words("--pool", "What a vector is: the mean of the patch tokens, the class token, both, or all patch tokens", Pooling.Mean);

    public void AddTo(Command command) => pictures.AddTo(command, pool, layer);

    /// <inheritdoc cref="PictureOptionSet.NamesData"/>
    public bool NamesData(ParseResult parsed) => pictures.NamesData(parsed);

    /// <summary>The encoder. Its caller frees it.</summary>
    public PictureEncoder Load(ParseResult parsed)
    {
        if (parsed.GetValue(layer) < 1) throw new UsageException("--layer must be at least 1.");
        var (model, device, precision) = pictures.Computation(parsed);
        return PictureEncoder.Load(model, new FeatureKind(parsed.GetValue(pool), parsed.GetValue(layer) is { } number ? [number] : []), device, precision);
    }

    /// <inheritdoc cref="PictureOptionSet.Open"/>
    public (ImageSet Images, int[] Pictures) Open(Terminal terminal, ParseResult parsed, PictureEncoder encoder, CancellationToken cancellation, int? standardLimit = null) =>
        pictures.Open(terminal, parsed, encoder.Description, cancellation, standardLimit);

    /// <summary>Their vectors, kept where they are one for a picture; and the pictures that they are of, without those that turned out to be broken as they were decoded.</summary>
    public (VectorSet Set, int[] Pictures) Vectors(
        Terminal terminal, ParseResult parsed, PictureEncoder encoder, ImageSet images, int[] meant, CancellationToken cancellation)
    {
        var kept = encoder.Kind.Pooling == Pooling.Patches ? null : new FeatureCache(pictures.Cache(parsed));
        var told = images.Broken.Count;
        var set = ProgressBar.While(terminal, "embedding", progress =>
            encoder.Embed(images, meant, kept, new Relay<int>(done => progress.Report((done, meant.Length, ""))), cancellation));
        var sound = PictureOptionSet.Sound(terminal, images, set.Names, told);
        return sound.Length == set.Count ? (set, meant) : (set.Take(sound), [.. sound.Select(row => meant[row])]);
    }
}
