using System.Text.Json;
using Tessera.Cli.Commands;
using Tessera.Embeddings;
using Tessera.Evaluation;
using Tessera.Models;
using Tessera.Weights;

namespace Tessera.Cli.Console;

/// <summary>What a model is, in lines for people.</summary>
internal static class ModelView
{
    /// <summary>Writes lines with their values below each other.</summary>
    public static void Show(Terminal terminal, IEnumerable<Line> lines, string indent = "")
    {
        var all = lines.ToList();
        var width = all.Max(l => l.Name.Length);
        foreach (var (name, value) in all) terminal.Say($"{indent}{name.PadRight(width)}  {value}");
    }

    /// <summary>All that a file says of its model.</summary>
    public static IEnumerable<Line> Whole(ModelInfo info)
    {
        var model = info.Description;
        yield return new("file", FormattableString.Invariant($"{info.File}, {Size(info)}"));
        if (info.Card is { } card) yield return new("card", card);
        yield return Encoder(model);
        yield return Pictures(model);
        if (model.Reconstruction is { } head)
        {
            yield return new("decoder", $"{Count(head.DecoderDepth, "block")}, {head.DecoderWidth} wide, {Count(head.DecoderHeads, "head")}");
            yield return new("masks", FormattableString.Invariant($"{head.Mask.Ratio:p0} {head.Mask.Masking}, {Count(head.MaskTokens, "mask token")} before the {CommonOptions.Word(head.Placement)}"));
            yield return new("target", $"{CommonOptions.Word(head.Target)}, loss on {CommonOptions.Word(head.LossOn)} patches");
        }
        else
        {
            yield return new("decoder", "none: the encoder alone");
        }
        if (model.Classes is { } classes)
        {
            yield return new("classes", Classes(classes));
            yield return new("told by", $"{(classes.Pooling == ClassPooling.Class ? "the class token" : "the mean of the patch tokens")} and a linear layer");
            yield return new("no class", Unfamiliar(classes.Familiarity));
        }
        yield return Parameters(info);
        if (model.Data is { } data)
        {
            yield return new("data", FormattableString.Invariant($"{data.Source}, {data.Pictures:n0} of its pictures, fingerprint {data.Fingerprint}"));
            yield return new("split", $"held out by seed {data.SplitSeed}{(data.HoldOutDevelopment ? ", with pictures held out for development" : "")}");
        }
        foreach (var (key, value) in model.Training.OrderBy(t => t.Key, StringComparer.Ordinal)) yield return new("training: " + Words(key), value);
    }

    /// <summary>What to choose it by.</summary>
    public static IEnumerable<Line> Brief(ModelInfo info)
    {
        var model = info.Description;
        yield return new("size", Size(info));
        yield return Encoder(model);
        yield return Pictures(model);
        if (model.Classes is { } classes) yield return new("classes", Classes(classes));
        yield return Parameters(info);
        if (model.Data is { } data) yield return new("data", FormattableString.Invariant($"{data.Source}, {data.Pictures:n0} of its pictures"));
        // Percentages, but for a run's own metrics (development/k-NN), which are there to be compared with one another.
        var accuracies = model.Training.Where(t => t.Value.EndsWith('%') && !t.Key.Contains('/')).Select(t => $"{t.Key} {t.Value}").ToList();
        if (accuracies.Count > 0) yield return new("accuracies", string.Join(", ", accuracies));
        yield return new("card", info.Card ?? "none");
    }

    /// <summary>A file's size in megabytes.</summary>
    public static string Size(ModelInfo info) => FormattableString.Invariant($"{info.Bytes / 1e6:f1} MB");

    private static Line Encoder(ModelDescription model) => new("encoder",
        $"{Count(model.Encoder.Depth, "block")}, {model.Encoder.Width} wide, {Count(model.Encoder.Heads, "head")}, {CommonOptions.Word(model.Encoder.Positions)} positions{(model.Encoder.ClassToken ? ", class token" : "")}{(model.Encoder.RegisterTokens > 0 ? $", {Count(model.Encoder.RegisterTokens, "register token")}" : "")}{(model.Encoder.LayerScale ? ", LayerScale" : "")}");

    private static Line Pictures(ModelDescription model) => new("pictures",
        $"{model.Encoder.ImageHeight}x{model.Encoder.ImageWidth}, {Count(model.Encoder.Channels, "channel")}, patches of {model.Encoder.PatchSize}: {Count(model.Encoder.PatchCount, "token")}");

    private static string Classes(ClassHead classes)
    {
        const int Named = 6;
        var some = string.Join(", ", classes.Titles.Take(Named).Select(title => ReportText.Title(title)));
        return $"{classes.Titles.Count}: {some}{(classes.Titles.Count > Named ? ", ..." : "")}";
    }

    /// <summary>When a picture looks like no class.</summary>
    private static string Unfamiliar(Familiarity? familiarity) => familiarity is null ? "not told: no thresholds were measured"
        : FormattableString.Invariant($"below a probability of {familiarity.Confidence:f3} or a cosine of {familiarity.Similarity:f3} ({familiarity.Share:p1} of {familiarity.Pictures:n0} {(familiarity.HeldOut ? "held-out" : "training")} pictures below each)");

    private static Line Parameters(ModelInfo info) => new("parameters",
        FormattableString.Invariant($"{info.Parameters:n0} in {string.Join(" and ", info.Types)}, of them {info.EncoderParameters:n0} in the encoder"));

    private static string Count(int number, string what) => $"{number} {what}{(number == 1 ? "" : "s")}";

    // A metric's name is in words already.
    private static string Words(string key) =>
        key.Contains('/') || key.Contains('-') ? key : JsonNamingPolicy.KebabCaseLower.ConvertName(key).Replace('-', ' ');
}

/// <summary>A line of a view: what, and its value.</summary>
internal sealed record Line(string Name, string Value);
