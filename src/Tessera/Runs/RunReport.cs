using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using Fluid;
using Tessera.Evaluation;
using Tessera.Figures;
using Tessera.Imaging;
using Tessera.Runtime;
using Tessera.Training;

namespace Tessera.Runs;

/// <summary>A run as one page: its figures, curves, pictures, evaluations, options and commands, in a file that needs no other.</summary>
public static class RunReport
{
    /// <summary>The page's name within the run's folder.</summary>
    public const string FileName = "report.html";

    private const int FilmEpochs = 6, FilmPictures = 3, HardestClasses = 20;
    private static readonly Lazy<IFluidTemplate> Template = new(Parse);

    /// <summary>Writes the page; it may be of a run that goes on.</summary>
    /// <param name="folder">The run directory.</param>
    /// <param name="commands">Command lines that made it and that make use of it.</param>
    /// <returns>The page's path.</returns>
    /// <exception cref="RunDirectoryException">There is no run, or the page cannot be written.</exception>
    public static string Write(string folder, IReadOnlyList<string> commands)
    {
        object options;
        Func<MetricsLog, IEnumerable<Fact>> facts;
        ImageShape? shape = null; // of restored pictures
        var isFinetuning = RunDirectory.JobOf(folder) == FinetuneOptions.JobName;
        if (isFinetuning)
        {
            var read = FinetuneRun.ReadRunOptions(folder);
            (options, facts) = (read, metrics => Facts(folder, read, metrics));
        }
        else
        {
            var read = PretrainRun.ReadRunOptions(folder);
            (options, facts, shape) = (read, metrics => Facts(read, metrics), read.Data.Shape);
        }
        var metrics = MetricsLog.Read(folder);
        var pictures = Directory.Exists(Path.Combine(folder, "reconstructions"))
            ? Directory.GetFiles(Path.Combine(folder, "reconstructions"), "epoch-*.png").Order(StringComparer.Ordinal).ToList() : new List<string>();
        var page = new Page(
            Path.GetFileName(Path.GetFullPath(folder).TrimEnd(Path.DirectorySeparatorChar)),
            TimeProvider.System.GetLocalNow().ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture),
            isFinetuning ? "fine-tuning" : "pretraining",
            [.. facts(metrics)],
            Charts(metrics.Panels()),
            pictures.Count == 0 ? null : Uri("image/png", File.ReadAllBytes(pictures[^1])),
            shape is { } size ? Film(pictures, size) : null,
            [.. Evaluations(folder)],
            [.. Leaves("", JsonSerializer.SerializeToElement(options, TesseraJson.Options))],
            commands,
            EnvironmentReport.Version);
        var context = new TemplateContext(page, new TemplateOptions { MemberAccessStrategy = new UnsafeMemberAccessStrategy(), CultureInfo = CultureInfo.InvariantCulture });
        var file = Path.Combine(folder, FileName);
        RunDirectory.WriteText(file, Template.Value.Render(context, HtmlEncoder.Default));
        return file;
    }

    private static IFluidTemplate Parse()
    {
        using var stream = new StreamReader(typeof(RunReport).Assembly.GetManifestResourceStream("RunReport.liquid")!);
        return new FluidParser().TryParse(stream.ReadToEnd(), out var template, out var error) ? template : throw new InvalidOperationException($"RunReport.liquid: {error}");
    }

    private static IEnumerable<Fact> Facts(string folder, FinetuneOptions options, MetricsLog metrics)
    {
        yield return new("pictures", Path.GetFileName(options.Data.Source.TrimEnd('/', '\\')));
        yield return new("encoder", options.FromScratch ? $"{Path.GetFileName(options.Model)}, from scratch" : Path.GetFileName(options.Model.TrimEnd('/', '\\')));
        if (metrics.LastTraining is { } last) yield return new("trained for", string.Create(CultureInfo.InvariantCulture, $"{last.Epoch:0.##} epochs, {last.Step} steps"));
        var file = Path.Combine(folder, RunDirectory.SummaryName);
        if (!File.Exists(file)) yield break;
        using var json = JsonDocument.Parse(File.ReadAllBytes(file));
        var summary = json.RootElement;
        yield return new("classes", summary.GetProperty("classes").GetRawText());
        yield return new("labelled pictures", summary.GetProperty("trainingPictures").GetRawText());
        if (summary.GetProperty("choice") is { ValueKind: JsonValueKind.Object } choice)
            yield return new("kept", choice.GetProperty("keepsLayer").GetBoolean() ? "a linear layer on the frozen encoder" : "the fine-tuned model");
        if (summary.GetProperty("measured") is not { ValueKind: JsonValueKind.Object } measured) yield break;
        yield return new("top-1", $"{Percent(measured.GetProperty("top1"), "share")} %");
        if (measured.GetProperty("classes").GetInt32() > 5) yield return new("top-5", $"{Percent(measured.GetProperty("top5"), "share")} %");
    }

    private static IEnumerable<Fact> Facts(PretrainOptions options, MetricsLog metrics)
    {
        yield return new("pictures", Path.GetFileName(options.Data.Source.TrimEnd('/', '\\')));
        yield return new("model", $"{options.Encoder.Model}, mask tokens before the {Word(options.Objective.Placement)}");
        yield return new("taught by", Word(options.Objective.Teaching));
        if (metrics.LastTraining is { } last) yield return new("trained for", string.Create(CultureInfo.InvariantCulture, $"{last.Epoch:0.##} epochs, {last.Step} steps"));
        foreach (var metric in (metrics.LastEvaluation?.Metrics ?? []).Where(m => !m.IsBaseline && m.Unit != Metric.LossUnit))
            yield return new(metric.Name.Replace('/', ' '), string.Create(CultureInfo.InvariantCulture, $"{metric.Value:0.###} {(metric.Unit is "SSIM" or "rank" ? "" : metric.Unit)}").TrimEnd());
    }

    /// <summary>The panels on one scale of epochs, so that what happened at one time stands at one place.</summary>
    private static List<Chart> Charts(IReadOnlyList<Panel> panels) =>
        [.. panels.Select(panel => new Chart(panel.Title, Uri("image/svg+xml", System.Text.Encoding.UTF8.GetBytes(Svg(panel, panels))), Told(panel)))];

    /// <summary>The panel, with a font that every browser has.</summary>
    private static string Svg(Panel panel, IReadOnlyList<Panel> panels) => CurvesFigure.EncodeSvg(panel, panels).Replace(FigureFont.Name, "system-ui, Helvetica, Arial, sans-serif", StringComparison.Ordinal);

    /// <summary>A panel in words, for who does not see it.</summary>
    private static string Told(Panel panel) => string.Join("; ", panel.Curves.Where(c => c.Y.Count > 0).Select(c =>
        string.Create(CultureInfo.InvariantCulture, $"{c.Name}: {c.Y[0]:g4} at {c.X[0]:0.##}, {c.Y[^1]:g4} at {c.X[^1]:0.##} epochs")));

    /// <summary>A few pictures over the epochs.</summary>
    private static string? Film(List<string> figures, ImageShape shape)
    {
        if (figures.Count < 2) return null;
        var count = Math.Min(FilmEpochs, figures.Count);
        var shown = Enumerable.Range(0, count).Select(i => figures[(int)((long)i * (figures.Count - 1) / (count - 1))]).Select(file => (file, Png: File.ReadAllBytes(file))).ToList();
        var rows = new List<GridRow>();
        for (var row = 0; row < FilmPictures; row++)
        {
            RgbImage?[] cells = [Cut(shown[^1].Png, 0), Cut(shown[^1].Png, 1), .. shown.Select(figure => Cut(figure.Png, 2))];
            if (cells.All(cell => cell is not null)) rows.Add(new GridRow([.. cells.OfType<RgbImage>()]));

            RgbImage? Cut(byte[] png, int column) => ReconstructionFigure.Cut(png, shape, row, column);
        }
        if (rows.Count == 0) return null;
        string[] titles = ["original", "masked", .. shown.Select(figure => $"epoch {int.Parse(Path.GetFileNameWithoutExtension(figure.file)["epoch-".Length..], CultureInfo.InvariantCulture)}")];
        return Uri("image/png", ImageGrid.Encode(rows, titles, ImageGrid.ScaleFor(shape)));
    }

    private static IEnumerable<Table> Evaluations(string folder)
    {
        var kept = Path.Combine(folder, "evaluations");
        foreach (var file in (Directory.Exists(kept) ? Directory.GetFiles(kept, "*.json") : []).Order(StringComparer.Ordinal))
        {
            using var json = JsonDocument.Parse(File.ReadAllBytes(file));
            var (root, report) = (json.RootElement, json.RootElement.GetProperty("report"));
            var title = $"{Path.GetFileNameWithoutExtension(file)}, {Path.GetFileName(root.GetProperty("data").GetString()!.TrimEnd('/', '\\'))}, {root.GetProperty("made").GetString()![..10]}";
            if (report.TryGetProperty("visibleMean", out _))
            {
                yield return new(title, ["", "PSNR (dB)", "SSIM"],
                [
                    .. new[] { ("restored", "model"), ("inverse-distance weighting", "inverseDistance"), ("mean of visible pixels", "visibleMean") }
                        .Select(line => new[] { line.Item1, Number(report.GetProperty(line.Item2), "psnr", "f2"), Number(report.GetProperty(line.Item2), "ssim", "f3") }),
                ]);
            }
            else if (report.TryGetProperty("ofClasses", out var classes))
            {
                var (top1, top5) = (report.GetProperty("top1"), report.GetProperty("top5"));
                yield return new(title, ["", "pictures", "top-1 (%)", "95 % interval", "top-5 (%)"],
                [
                    ["all classes", top1.GetProperty("count").GetRawText(), Percent(top1, "share"), Interval(top1), Percent(top5, "share")],
                    .. classes.EnumerateArray().Select(c => (Title: c.GetProperty("title").GetString()!, Top1: c.GetProperty("top1")))
                        .OrderBy(c => c.Top1.GetProperty("share").GetDouble()).Take(HardestClasses)
                        .Select(c => new[] { c.Title, c.Top1.GetProperty("count").GetRawText(), Percent(c.Top1, "share"), Interval(c.Top1), "" }),
                ], Png(file), Png(RunEvaluations.MistakesBeside(file)),
                classes.GetArrayLength() > HardestClasses ? $"Below all classes the {HardestClasses} that are recognised least often." : null);
            }
            else if (report.TryGetProperty("rows", out var rows))
            {
                yield return new(title, ["", "top-1 (%)", "95 % interval", "top-5 (%)"], [.. rows.EnumerateArray().Select(row =>
                {
                    var measured = row.TryGetProperty("measured", out var chosen) ? chosen
                        : row.TryGetProperty("grid", out var grid) ? grid.EnumerateArray().First(k => k.GetProperty("neighbours").GetInt32() == 20)
                        : row.GetProperty("probe") is var probe && probe.GetProperty("test").ValueKind == JsonValueKind.Object ? probe.GetProperty("test") : probe.GetProperty("development");
                    var top1 = measured.GetProperty("top1");
                    return new[] { row.GetProperty("name").GetString()!, Percent(top1, "share"), Interval(top1), Percent(measured.GetProperty("top5"), "share") };
                })], Png(file));
            }
        }

        static string Number(JsonElement element, string name, string format) => element.GetProperty(name).GetDouble().ToString(format, CultureInfo.InvariantCulture);
        static string Interval(JsonElement accuracy) => $"{Percent(accuracy, "low")} to {Percent(accuracy, "high")}";
        static string? Png(string beside) => Path.ChangeExtension(beside, ".png") is var png && File.Exists(png) ? Uri("image/png", File.ReadAllBytes(png)) : null;
    }

    private static string Percent(JsonElement element, string name) => (100 * element.GetProperty(name).GetDouble()).ToString("f2", CultureInfo.InvariantCulture);

    private static IEnumerable<Fact> Leaves(string path, JsonElement element) => element.ValueKind == JsonValueKind.Object
        ? element.EnumerateObject().SelectMany(member => Leaves(path.Length == 0 ? member.Name : $"{path}.{member.Name}", member.Value))
        : [new(path, element.ValueKind switch { JsonValueKind.Null => "–", JsonValueKind.String => element.GetString()!, _ => element.GetRawText() })];

    private static string Uri(string type, byte[] content) => $"data:{type};base64,{Convert.ToBase64String(content)}";

    private static string Word<T>(T value) where T : struct, Enum => JsonSerializer.SerializeToElement(value, TesseraJson.Options).GetString()!;

    private sealed record Fact(string Name, string Value);

    private sealed record Chart(string Title, string Source, string Words);

    private sealed record Table(string Title, IReadOnlyList<string> Headings, IReadOnlyList<string[]> Rows, string? Confusion = null, string? Mistakes = null, string? Note = null);

    private sealed record Page(
        string Title, string Made, string Kind, IReadOnlyList<Fact> Facts, IReadOnlyList<Chart> Charts, string? Restored, string? Film,
        IReadOnlyList<Table> Evaluations, IReadOnlyList<Fact> Options, IReadOnlyList<string> Commands, string Version);
}
