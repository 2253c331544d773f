using System.CommandLine;
using Tessera.Cli.Console;
using Tessera.Data;
using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary>What the verbs take that show a model pictures: the model, the source and which of its pictures, and how it computes.</summary>
internal sealed class PictureOptionSet
{
    private readonly Option<string> model = CommonOptions.Model(), data = CommonOptions.Data(), cache = CommonOptions.Cache(), device = CommonOptions.Device();
    private readonly Option<bool> noPack = ModelPictures.NoPack();
    private readonly Option<SourcePart> part = CommonOptions.Words("--split", "Which pictures of the source", SourcePart.All);
    private readonly Option<int?> limit;
    private readonly Option<Precision> precision = CommonOptions.Words("--precision", "Number format of the encoder", Precision.Fp32);

    /// <param name="isDataRequired">False where pictures, or what is made of them, may come from elsewhere.</param>
    /// <param name="limitWords">What is taken without a limit.</param>
    public PictureOptionSet(bool isDataRequired = true, string limitWords = "default: all")
    {
        data.Required = isDataRequired;
        limit = CommonOptions.Value<int?>("--limit", "N", $"A seeded subset of so many of them [{limitWords}]");
    }

    /// <summary>Adds the options, and after those of the source a verb's own.</summary>
    public void AddTo(Command command, params IEnumerable<Option> own)
    {
        foreach (var option in new Option[] { model, data, part, limit }.Concat(own).Concat([noPack, device, precision, cache])) command.Add(option);
    }

    /// <summary>Whether the command line names a source.</summary>
    public bool NamesData(ParseResult parsed) => parsed.GetValue(data) is not null;

    /// <summary>The folder of packed pictures.</summary>
    public string Cache(ParseResult parsed) => parsed.GetValue(cache)!;

    /// <summary>The model, the device, which is set up, and the number format.</summary>
    public (string Model, string Device, Precision Precision) Computation(ParseResult parsed)
    {
        if (parsed.GetValue(limit) < 1) throw new UsageException("--limit must be at least 1.");
        CommonOptions.Prepared(parsed.GetValue(device)!);
        return (parsed.GetValue(model)!, parsed.GetValue(device)!, parsed.GetValue(precision));
    }

    /// <summary>The pictures of the source, and which of them are meant.</summary>
    public (ImageSet Images, int[] Pictures) Open(Terminal terminal, ParseResult parsed, ModelDescription description, CancellationToken cancellation, int? standardLimit = null)
    {
        var images = ModelPictures.Open(terminal, description, parsed.GetValue(data)!, parsed.GetValue(noPack), Cache(parsed), cancellation);
        try
        {
            var seed = MaskOptionSet.SplitSeed(description);
            return (images, BatchLoader.Subset(DataSplit.PicturesOf(images, parsed.GetValue(part), seed), parsed.GetValue(limit) ?? standardLimit, seed));
        }
        catch
        {
            images.Dispose();
            throw;
        }
    }

    /// <summary>Of what was made of pictures, the rows that count: where a picture turned out to be broken as it was decoded, another stood in for it.</summary>
    /// <param name="terminal">Is told the broken ones.</param>
    /// <param name="images">The pictures.</param>
    /// <param name="names">Each row's picture.</param>
    /// <param name="told">How many broken pictures were told before.</param>
    public static int[] Sound(Terminal terminal, ImageSet images, IReadOnlyList<string> names, int told)
    {
        var broken = images.Broken.Select(picture => picture.Name).ToHashSet(StringComparer.Ordinal);
        int[] sound = [.. Enumerable.Range(0, names.Count).Where(row => !broken.Contains(names[row]))];
        if (sound.Length < names.Count) BrokenPictures.Tell(terminal, [.. images.Broken.Skip(told)]);
        return sound;
    }
}
