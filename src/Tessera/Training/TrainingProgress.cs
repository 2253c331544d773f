namespace Tessera.Training;

/// <summary>How far a training is.</summary>
/// <param name="Epoch">The epoch under way, counted from 1.</param>
/// <param name="Epochs">Epochs of the run.</param>
/// <param name="Step">Optimiser steps made.</param>
/// <param name="Steps">Optimiser steps of the run.</param>
/// <param name="Loss">Mean loss of the last log interval; null before the first.</param>
/// <param name="LearningRate">Rate of the last step.</param>
/// <param name="ImagesPerSecond">Training throughput of the last log interval; null before the first.</param>
/// <param name="Remaining">Time left, evaluations included as they went so far; null while unknown.</param>
/// <param name="Evaluating">How far an evaluation is that runs; else null.</param>
/// <param name="IsLogStep">Whether this is the time for a line where there is no progress bar.</param>
public sealed record TrainingProgress(
    int Epoch, int Epochs, long Step, long Steps, double? Loss, double LearningRate, double? ImagesPerSecond, TimeSpan? Remaining,
    EvaluationProgress? Evaluating, bool IsLogStep);

/// <summary>How far an evaluation is.</summary>
/// <param name="Name">The evaluator's.</param>
/// <param name="Done">Pictures looked at.</param>
/// <param name="Pictures">Pictures in all.</param>
public sealed record EvaluationProgress(string Name, int Done, int Pictures);

/// <summary>What came out of a training.</summary>
/// <param name="Steps">Optimiser steps made.</param>
/// <param name="Seconds">Wall-clock time of this process, evaluations included.</param>
/// <param name="ImagesPerSecond">Median training throughput over the log intervals, evaluations excluded; null where metrics.jsonl was lost.</param>
/// <param name="FinalLoss">Mean training loss of the last log interval; null where metrics.jsonl was lost.</param>
/// <param name="Metrics">What the last evaluation measured.</param>
public sealed record TrainingResult(long Steps, double Seconds, double? ImagesPerSecond, double? FinalLoss, IReadOnlyList<Metric> Metrics);
