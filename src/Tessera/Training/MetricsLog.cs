using System.Text.Json;
using System.Text.Json.Serialization;
using Tessera.Evaluation;

namespace Tessera.Training;

/// <summary>The lines of <c>metrics.jsonl</c>: read back when a run is resumed, and drawn as curves.</summary>
public sealed class MetricsLog
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals, // a perfect restoration's PSNR is infinite
    };

    private readonly string file;
    private readonly List<MetricsLine> lines = [];

    private MetricsLog(string file) => this.file = file;

    /// <summary>The lines so far, oldest first.</summary>
    public IReadOnlyList<MetricsLine> Lines => lines;

    /// <summary>Opens a run's log and drops what lies after a step, which a resumed run does again.</summary>
    /// <exception cref="RunDirectoryException">The log cannot be read or written.</exception>
    public static MetricsLog Open(RunDirectory run, long upToStep)
    {
        var log = new MetricsLog(run.MetricsFile);
        if (!File.Exists(log.file)) return log;
        // A kill can cut the last line; whatever cannot be read was not yet part of a checkpoint.
        foreach (var line in File.ReadLines(log.file).Select(Parse).TakeWhile(l => l is not null && l.Step <= upToStep)) log.lines.Add(line!);
        RunDirectory.WriteText(log.file, string.Concat(log.lines.Select(l => JsonSerializer.Serialize(l, Json) + "\n")));
        return log;
    }

    /// <summary>Adds a line to the file.</summary>
    /// <exception cref="RunDirectoryException">It cannot be written.</exception>
    public void Add(MetricsLine line)
    {
        lines.Add(line);
        RunDirectory.Guard(file, () => File.AppendAllText(file, JsonSerializer.Serialize(line, Json) + "\n"));
    }

    private static MetricsLine? Parse(string text)
    {
        try
        {
            return JsonSerializer.Deserialize<MetricsLine>(text, Json);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}

/// <summary>One line of <c>metrics.jsonl</c>: of a log step, or, with <see cref="HeldOut"/>, of an epoch's end.</summary>
/// <param name="Step">Optimiser steps made.</param>
/// <param name="Epoch">Epochs made, with their fraction.</param>
/// <param name="Loss">Mean training loss since the line before; null at an epoch's end.</param>
/// <param name="LearningRate">Rate of the last step.</param>
/// <param name="ImagesPerSecond">Training throughput since the line before; null at an epoch's end.</param>
/// <param name="HeldOut">Reconstruction of held-out pictures.</param>
public sealed record MetricsLine(
    long Step, double Epoch, double? Loss = null, double? LearningRate = null, double? ImagesPerSecond = null, ReconstructionReport? HeldOut = null);
