using System.Globalization;
using Microsoft.Extensions.Logging;
using Tessera.Figures;
using Tessera.Runtime;
using Tessera.Weights;

namespace Tessera.Training;

// What a run shows for itself: evaluations, pictures, curves and the result.
public sealed partial class TrainingLoop
{
    private bool IsEvaluated(int epoch) => epoch > 0 && (epoch % options.EvaluateEvery == 0 || epoch == options.Epochs);

    private void Evaluate(int epoch, CancellationToken cancellation)
    {
        // Ranks end together, after the next step: none leaves while others measure with it. What was learned is saved already.
        if (!ranks.IsAlone) cancellation = CancellationToken.None;
        using var exact = ComputePrecision.Exact(); // figures compare from run to run, whatever a step may round
        averaged?.TakeTurns();
        try
        {
            var results = evaluators.Select(evaluator => Evaluate(evaluator, epoch, cancellation)).ToList();
            Log(step, epoch, [.. results.SelectMany(r => r.Metrics)]);
        }
        finally
        {
            averaged?.TakeTurns();
        }
        board?.Flush();
        if (run is not null) CurvesFigure.Save(run.CurvesFile, metrics.Panels());
    }

    private EvaluationResult Evaluate(Evaluator evaluator, int epoch, CancellationToken cancellation)
    {
        EvaluationProgress Of(int done) => new(evaluator.Name, done, evaluator.Pictures);
        Report(epoch, isLogStep: false, Of(0));
        var result = evaluator.Run(epoch, new Relay<int>(done => Report(epoch, isLogStep: false, Of(done))), cancellation);
        if (result.Metrics.FirstOrDefault(IsRuined) is { } ruined)
        {
            run?.Demote(run.CheckpointFile(step)); // what measures as nothing is not the last good one
            throw Diverged($"The {ruined.Name} is {ruined.Value}", step - 1);
        }
        if (run is not null && result.Picture is { } png)
        {
            var file = run.PictureFile(evaluator.Name, epoch);
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            PngFile.Save(file, png);
            board?.AddPng(evaluator.Name, png, step);
        }
        logger.LogInformation("epoch {Epoch}/{Epochs}: {Line}", epoch, options.Epochs, result.Line);
        return result;
    }

    private static bool IsRuined(Metric metric) => metric.Unit == Metric.LossUnit && !metric.IsBaseline && !double.IsFinite(metric.Value);

    private void Log(long atStep, double epoch, IReadOnlyList<Metric> values)
    {
        metrics.Add(new MetricsLine(atStep, epoch, values));
        foreach (var metric in values) board?.AddScalar(metric.Name, metric.Value, atStep);
    }

    private TrainingResult Finish()
    {
        if (run is not null && !File.Exists(run.ModelFile)) // of a run that was finished, what it was trained with still holds
            ModelFile.Save(run.ModelFile, averaged?.Values ?? training.Optimizer.Weights, Describe());
        if (run is not null && metrics.Lines.Count > 0) CurvesFigure.Save(run.CurvesFile, metrics.Panels()); // the last evaluation may have been logged, and a kill or a full disk have come before they were drawn
        var rates = metrics.Lines.Select(l => l.Find(MetricsLog.ImagesPerSecond)).OfType<double>().Order().ToList();
        return new TrainingResult(step, Math.Round(wall.Elapsed.TotalSeconds, 1), rates.Count > 0 ? Math.Round(rates[rates.Count / 2], 1) : null,
            metrics.LastTraining?.Find(MetricsLog.Loss), metrics.LastEvaluation?.Metrics ?? []);
    }

    private ModelDescription Describe()
    {
        var description = objective.Describe();
        var training = new Dictionary<string, string>(description.Training)
        {
            ["step"] = step.ToString(CultureInfo.InvariantCulture),
            ["epoch"] = Math.Round((double)step / stepsPerEpoch, 3).ToString(CultureInfo.InvariantCulture),
            ["effectiveBatch"] = options.EffectiveBatch.ToString(CultureInfo.InvariantCulture),
            ["peakLearningRate"] = options.PeakLearningRate.ToString("g6", CultureInfo.InvariantCulture),
            ["precision"] = options.Precision.ToString().ToLowerInvariant(),
            ["tessera"] = EnvironmentReport.Version,
        };
        foreach (var metric in metrics.LastEvaluation?.Metrics ?? [])
            training[metric.Name] = $"{metric.Value.ToString("g5", CultureInfo.InvariantCulture)} {(metric.Unit == Metric.LossUnit ? "" : metric.Unit)}".TrimEnd();
        return description with { Training = training };
    }
}
