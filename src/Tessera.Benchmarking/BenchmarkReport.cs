using System.Text.Json;
using System.Text.Json.Serialization;
using Tessera.Runs;
using Tessera.Runtime;

namespace Tessera.Benchmarking;

/// <summary>What a benchmark found. Parts that were not asked for are null. Written as JSON, it is what <c>--compare</c> reads.</summary>
public sealed record BenchmarkReport
{
    private static readonly JsonSerializerOptions Json =
        new(TesseraJson.Options) { UnmappedMemberHandling = JsonUnmappedMemberHandling.Skip }; // of another version's report, what both know

    /// <summary>When it was measured.</summary>
    public required DateTimeOffset Time { get; init; }

    /// <summary>What it was measured on.</summary>
    public required SystemReport System { get; init; }

    /// <summary>The training it was measured with.</summary>
    public required PretrainOptions Options { get; init; }

    /// <summary>The machine's own limits.</summary>
    public MachineReport? Machine { get; init; }

    /// <summary>From the process's start to its first step.</summary>
    public StartUpReport? StartUp { get; init; }

    /// <summary>Memory in training.</summary>
    public MemoryReport? Memory { get; init; }

    /// <summary>The training step.</summary>
    public StepReport? Step { get; init; }

    /// <summary>The way of the data.</summary>
    public LoaderReport? Loader { get; init; }

    /// <summary>Embedding whole pictures.</summary>
    public EmbeddingReport? Embedding { get; init; }

    /// <summary>The step that makes a classifier; null too where the pictures have no classes.</summary>
    public StepReport? Finetuning { get; init; }

    /// <summary>The figures beside those of a saved report; null where there was none.</summary>
    public IReadOnlyList<BenchmarkRatio>? Compared { get; init; }

    /// <summary>Reads a report that <c>tessera bench --json</c> printed.</summary>
    /// <exception cref="InvalidDataException">The file is no such report.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static BenchmarkReport Read(string file)
    {
        try
        {
            return JsonSerializer.Deserialize<BenchmarkReport>(File.ReadAllText(file), Json) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{file} is no report of a benchmark ({e.Message.Split('\n')[0].TrimEnd('.')}).", e);
        }
    }

    /// <summary>Every figure, a line each, in the order in which they are read.</summary>
    public IEnumerable<BenchmarkFigure> Figures() =>
        [.. MachineFigures(), .. StartUpFigures(), .. StepFigures("step", Step), .. LoaderFigures(), .. EmbeddingFigures(), .. StepFigures("finetune", Finetuning)];

    /// <summary>Sets this report's figures beside a saved one's; figures that only one of them has are left out.</summary>
    public IReadOnlyList<BenchmarkRatio> CompareWith(BenchmarkReport saved)
    {
        ArgumentNullException.ThrowIfNull(saved);
        var before = saved.Figures().ToDictionary(f => (f.Part, f.Name), f => f.Value.Median);
        return
        [
            .. from figure in Figures()
               where before.ContainsKey((figure.Part, figure.Name))
               let old = before[(figure.Part, figure.Name)]
               select new BenchmarkRatio(
                   figure.Part, figure.Name, figure.Unit, old, figure.Value.Median, old == 0 ? null : figure.Value.Median / old),
        ];
    }

    /// <summary>What was set otherwise in a saved report, so that the two are not measurements of the same; empty where nothing was.</summary>
    public IReadOnlyList<string> DifferencesFrom(BenchmarkReport saved)
    {
        ArgumentNullException.ThrowIfNull(saved);
        var (now, before) = (Settings(this), Settings(saved));
        return [.. now.Keys.Where(k => before.GetValueOrDefault(k) != now[k]).Select(k => $"{k}: {before.GetValueOrDefault(k) ?? "-"}, now {now[k]}")];
    }

    private static Dictionary<string, string> Settings(BenchmarkReport report)
    {
        var options = Leaves("", JsonSerializer.SerializeToElement(report.Options, Json)).ToDictionary();
        foreach (var (name, value) in new[]
        {
            ("processor", report.System.Processor), ("threads", $"{report.System.Threads}"), ("on", report.System.Device),
        }) options[name] = value;
        return options;
    }

    private static IEnumerable<(string Name, string Value)> Leaves(string path, JsonElement element) => element.ValueKind == JsonValueKind.Object
        ? element.EnumerateObject().SelectMany(p => Leaves(path.Length == 0 ? p.Name : $"{path}.{p.Name}", p.Value))
        : [(path, element.ToString())];

    private IEnumerable<BenchmarkFigure> MachineFigures()
    {
        if (Machine is null) yield break;
        const string part = "machine";
        yield return new(part, "matrix products, fp32", "FLOP/s", Machine.Fp32.Rate);
        yield return new(part, "matrix products, bf16", "FLOP/s", Machine.Bf16.Rate);
        yield return new(part, "memory, read + written", "B/s", Machine.Bandwidth);
    }

    private IEnumerable<BenchmarkFigure> StartUpFigures()
    {
        const string part = "start";
        if (StartUp is { } start)
        {
            yield return new(part, "pictures there", "s", Measurement.Once(start.Data));
            yield return new(part, "model there", "s", Measurement.Once(start.Model));
            yield return new(part, "first step done", "s", Measurement.Once(start.FirstStep));
        }
        if (Memory is not { } memory) yield break;
        yield return new(part, "peak memory", "B", Measurement.Once(memory.Peak));
        if (memory.Anonymous is { } own) yield return new(part, "of a step, not of files", "B", Measurement.Once(own));
        if (memory.Mapped is { } mapped) yield return new(part, "of a step, pages of files", "B", Measurement.Once(mapped));
    }

    private static IEnumerable<BenchmarkFigure> StepFigures(string part, StepReport? step)
    {
        if (step is null) yield break;
        yield return new(part, "training step", "images/s", step.ImagesPerSecond);
        yield return new(part, "model", "FLOP/s", step.FlopPerSecond);
        yield return new(part, "matrix products between", "FLOP/s", step.Peak);
        yield return new(part, "share of them", "share", step.ShareOfPeak);
        var (split, total) = (step.Breakdown, step.Breakdown.Total.Median);
        (string, Measurement?)[] phases =
        [
            ("waiting for data", split.Waiting), ("augment", split.Augment), ("forward", split.Forward),
            ("coupling", split.Couple), ("backward", split.Backward), ("optimiser", split.Optimizer),
        ];
        foreach (var (name, seconds) in phases)
            if (seconds is not null) yield return new(part, $"{name}, of its time", "share", seconds.Times(1 / total));
        yield return new(part, "one step, phase by phase", "s", split.Total);
    }

    private IEnumerable<BenchmarkFigure> LoaderFigures()
    {
        if (Loader is null) yield break;
        const string part = "loader";
        yield return new(part, "from files", "images/s", Loader.FromFiles);
        yield return new(part, "packing", "images/s", Loader.Packing);
        yield return new(part, Options.Data.NoPack ? "streamed" : "from a packed file", "images/s", Loader.FromPacked);
        yield return new(part, "end to end", "images/s", Loader.EndToEnd);
    }

    private IEnumerable<BenchmarkFigure> EmbeddingFigures()
    {
        if (Embedding is null) yield break;
        const string part = "embed";
        yield return new(part, "embedding", "images/s", Embedding.ImagesPerSecond);
        yield return new(part, "share of matrix products", "share", Embedding.ShareOfPeak);
    }
}

/// <summary>One line of a report.</summary>
/// <param name="Part">The part it belongs to, for people.</param>
/// <param name="Name">What was measured, for people; unique in a part.</param>
/// <param name="Unit"><c>FLOP/s</c>, <c>B/s</c>, <c>images/s</c>, <c>s</c>, <c>B</c>, <c>FLOP</c> or <c>share</c> (0 to 1).</param>
/// <param name="Value">What it came to.</param>
public sealed record BenchmarkFigure(string Part, string Name, string Unit, Measurement Value);

/// <summary>One figure of two reports.</summary>
/// <param name="Part">See <see cref="BenchmarkFigure.Part"/>.</param>
/// <param name="Name">See <see cref="BenchmarkFigure.Name"/>.</param>
/// <param name="Unit">See <see cref="BenchmarkFigure.Unit"/>.</param>
/// <param name="Before">The saved report's median.</param>
/// <param name="Now">This report's median.</param>
/// <param name="Ratio">Now over before; null where before is 0.</param>
public sealed record BenchmarkRatio(string Part, string Name, string Unit, double Before, double Now, double? Ratio);
