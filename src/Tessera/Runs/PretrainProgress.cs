namespace Tessera.Runs;

/// <summary>How far a run is.</summary>
/// <param name="Epoch">The epoch under way, counted from 1.</param>
/// <param name="Epochs">Epochs of the run.</param>
/// <param name="Step">Optimiser steps made.</param>
/// <param name="Steps">Optimiser steps of the run.</param>
/// <param name="Loss">Mean loss of the last log interval; null before the first.</param>
/// <param name="LearningRate">Rate of the last step.</param>
/// <param name="ImagesPerSecond">Training throughput of the last log interval; null before the first.</param>
/// <param name="Remaining">Time left, evaluations included as they went so far; null while unknown.</param>
/// <param name="Evaluating">Held-out pictures restored so far while an evaluation runs; else null.</param>
/// <param name="HeldOut">Held-out pictures that an evaluation restores.</param>
/// <param name="IsLogStep">Whether this is the time for a line where there is no progress bar.</param>
public sealed record PretrainProgress(
    int Epoch, int Epochs, long Step, long Steps, double? Loss, double LearningRate, double? ImagesPerSecond, TimeSpan? Remaining,
    int? Evaluating, int HeldOut, bool IsLogStep);
