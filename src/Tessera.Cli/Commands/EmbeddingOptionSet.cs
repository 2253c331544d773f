using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Data;
using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Imaging;
using Tessera.Runtime;

namespace Tessera.Cli.Commands;

/// <summary>What the verbs take that make vectors of a source's pictures.</summary>
internal sealed class EmbeddingOptionSet
{
    private readonly Option<string> model = CommonOptions.Model(), data = CommonOptions.Data(), cache = CommonOptions.Cache(), device = CommonOptions.Device();
    private readonly Option<bool> noPack = ModelPictures.NoPack();
    private readonly Option<SourcePart> part = CommonOptions.Words("--split", "Which pictures of the source", SourcePart.All);
    private readonly Option<int?> limit;
    private readonly Option<int?> layer = CommonOptions.Value<int?>("--layer", "N", "Take the tokens after so many blocks [default: after the last]");
    private readonly Option<Pooling> pool = CommonOptions.Words("--pool", "What a vector is: the mean of the patch tokens, the class token, both, or all patch tokens", Pooling.Mean);
    private readonly Option<Precision> precision = CommonOptions.Words("--precision", "Number format of the encoder", Precision.Fp32);

    /// <param name="isDataRequired">False where vectors may come from a file instead.</param>
    /// <param name="limitWords">What is taken without a limit.</param>
    public EmbeddingOptionSet(bool isDataRequired = true, string limitWords = "default: all")
    {
        data.Required = isDataRequired;
        limit = CommonOptions.Value<int?>("--limit", "N", $"A seeded subset of so many of them [{limitWords}]");
    }

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { model, data, part, limit, pool, layer, noPack, device, precision, cache }) command.Add(option);
    }

    /// <summary>Whether the command line names a source.</summary>
    public bool NamesData(ParseResult parsed) => parsed.GetValue(data) is not null;

    /// <summary>The encoder. Its caller frees it.</summary>
    public PictureEncoder Load(ParseResult parsed)
    {
        if (parsed.GetValue(limit) < 1) throw new UsageException("--limit must be at least 1.");
        if (parsed.GetValue(layer) < 1) throw new UsageException("--layer must be at least 1.");
        CommonOptions.Prepared(parsed.GetValue(device)!);
        return PictureEncoder.Load(parsed.GetValue(model)!, new FeatureKind(parsed.GetValue(pool), parsed.GetValue(layer) is { } number ? [number] : []), parsed.GetValue(device)!, parsed.GetValue(precision));
    }

    /// <summary>The pictures of the source, and which of them are meant.</summary>
    public (ImageSet Images, int[] Pictures) Open(Terminal terminal, ParseResult parsed, PictureEncoder encoder, CancellationToken cancellation, int? standardLimit = null)
    {
        var images = ModelPictures.Open(terminal, encoder.Description, parsed.GetValue(data)!, parsed.GetValue(noPack), parsed.GetValue(cache)!, cancellation);
        try
        {
            var seed = MaskOptionSet.SplitSeed(encoder.Description);
            return (images, BatchLoader.Subset(DataSplit.PicturesOf(images, parsed.GetValue(part), seed), parsed.GetValue(limit) ?? standardLimit, seed));
        }
        catch
        {
            images.Dispose();
            throw;
        }
    }

    /// <summary>Their vectors, kept where they are one for a picture; and the pictures that they are of, without those that turned out to be broken as they were decoded.</summary>
    public (VectorSet Set, int[] Pictures) Vectors(
        Terminal terminal, ParseResult parsed, PictureEncoder encoder, ImageSet images, int[] pictures, CancellationToken cancellation)
    {
        var kept = encoder.Kind.Pooling == Pooling.Patches ? null : new FeatureCache(parsed.GetValue(cache)!);
        var told = images.Broken.Count;
        var set = ProgressBar.While(terminal, "embedding", progress =>
            encoder.Embed(images, pictures, kept, new Relay<int>(done => progress.Report((done, pictures.Length, ""))), cancellation));
        var broken = images.Broken.Select(picture => picture.Name).ToHashSet(StringComparer.Ordinal);
        int[] sound = [.. Enumerable.Range(0, set.Count).Where(row => !broken.Contains(set.Names[row]))]; // another picture stood in for the others
        if (sound.Length == set.Count) return (set, pictures);
        BrokenPictures.Tell(terminal, [.. images.Broken.Skip(told)]);
        return (set.Take(sound), [.. sound.Select(row => pictures[row])]);
    }
}
