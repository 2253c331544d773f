using System.Text.Json;
using Tessera.Figures;
using Tessera.Imaging;
using Tessera.Runtime;

namespace Tessera.Training;

/// <summary>The lines of <c>metrics.jsonl</c>: read back when a run is resumed, and drawn as curves.</summary>
public sealed class MetricsLog
{
    /// <summary>The training loss, of a log interval.</summary>
    public const string Loss = "train/loss";

    /// <summary>The rate of the last step.</summary>
    public const string LearningRate = "train/learning rate";

    /// <summary>Training throughput, evaluations excluded.</summary>
    public const string ImagesPerSecond = "train/images per second";

    private static readonly JsonSerializerOptions Json = new(TesseraJson.Options) { WriteIndented = false, RespectRequiredConstructorParameters = true };

    private readonly string? file; // null: kept in memory alone
    private readonly List<MetricsLine> lines = [];

    private MetricsLog(string? file) => this.file = file;

    /// <summary>The lines so far, oldest first.</summary>
    public IReadOnlyList<MetricsLine> Lines => lines;

    /// <summary>The last line of a log interval; null before the first.</summary>
    public MetricsLine? LastTraining => lines.LastOrDefault(l => !l.IsEvaluation);

    /// <summary>The last line of an evaluation; null before the first.</summary>
    public MetricsLine? LastEvaluation => lines.LastOrDefault(l => l.IsEvaluation);

    /// <summary>Reads a run's log, as far as it can be read, without touching it: a process may be writing it.</summary>
    /// <exception cref="RunDirectoryException">The log cannot be read.</exception>
    public static MetricsLog Read(string folder)
    {
        var file = Path.Combine(folder, RunDirectory.MetricsName);
        var log = new MetricsLog(file);
        if (!File.Exists(file)) return log;
        RunDirectory.Guard(file, () =>
        {
            using var text = new StreamReader(new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            while (text.ReadLine() is { } line && Parse(line) is { } parsed) log.lines.Add(parsed);
        });
        return log;
    }

    /// <summary>Opens a run's log and drops what lies after a step, which a resumed run does again.</summary>
    /// <param name="run">The run; null keeps the log in memory alone.</param>
    /// <param name="upToStep">The step.</param>
    /// <exception cref="RunDirectoryException">The log cannot be read or written.</exception>
    public static MetricsLog Open(RunDirectory? run, long upToStep)
    {
        var log = new MetricsLog(run?.MetricsFile);
        if (!File.Exists(log.file)) return log;
        // A kill can cut the last line; whatever cannot be read was not yet part of a checkpoint.
        foreach (var line in File.ReadLines(log.file).Select(Parse).TakeWhile(l => l is not null && l.Step <= upToStep)) log.lines.Add(line!);
        RunDirectory.Guard(log.file, () => WholeFile.Write(log.file, string.Concat(log.lines.Select(l => JsonSerializer.Serialize(l, Json) + "\n"))));
        return log;
    }

    /// <summary>Adds a line to the file.</summary>
    /// <exception cref="RunDirectoryException">It cannot be written.</exception>
    public void Add(MetricsLine line)
    {
        lines.Add(line);
        if (file is not null) RunDirectory.Guard(file, () => File.AppendAllText(file, JsonSerializer.Serialize(line, Json) + "\n"));
    }

    /// <summary>The curves: a panel a unit, in the order in which units appear, with speed and rate last.</summary>
    public IReadOnlyList<Panel> Panels()
    {
        var points = lines.SelectMany(line => line.Metrics.Select(metric => (line.Epoch, Metric: metric)));
        return
        [
            .. points.GroupBy(p => p.Metric.Unit)
                .OrderBy(unit => unit.All(p => p.Metric.Name is LearningRate or ImagesPerSecond))
                .Select(unit => PanelOf(unit.Key, [.. unit.GroupBy(p => p.Metric.Name)])),
        ];
    }

    private static Panel PanelOf(string unit, IGrouping<string, (double Epoch, Metric Metric)>[] metrics)
    {
        var learned = metrics.Where(m => !m.Last().Metric.IsBaseline).Select(m => Words(m.Key));
        var title = string.Join(", ", learned.DefaultIfEmpty(unit));
        return new Panel(title[..1].ToUpperInvariant() + title[1..], "epoch", unit,
            [.. metrics.Select(m => new Curve(Words(m.Key), [.. m.Select(p => p.Epoch)], [.. m.Select(p => p.Metric.Value)], m.Last().Metric.IsBaseline))]);
    }

    private static string Words(string name) => name.Replace('/', ' ');

    private static MetricsLine? Parse(string text)
    {
        try
        {
            if (JsonSerializer.Deserialize<MetricsLine>(text, Json) is not { } line || line.Metrics.Any(metric => metric is null)) return null;
            // The same few names stand in each of thousands of lines, which are all kept.
            return line with { Metrics = [.. line.Metrics.Select(metric => metric with { Name = string.Intern(metric.Name), Unit = string.Intern(metric.Unit) })] };
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>One line of <c>metrics.jsonl</c>: of a log interval, or of an evaluation.</summary>
/// <param name="Step">Optimiser steps made.</param>
/// <param name="Epoch">Epochs made, with their fraction.</param>
/// <param name="Metrics">What was measured.</param>
public sealed record MetricsLine(long Step, double Epoch, IReadOnlyList<Metric> Metrics)
{
    /// <summary>Whether it is of an evaluation.</summary>
    internal bool IsEvaluation => Find(MetricsLog.Loss) is null;

    /// <summary>The value of a metric; null where the line has none of that name.</summary>
    public double? Find(string name) => Metrics.FirstOrDefault(m => m.Name == name)?.Value;
}
