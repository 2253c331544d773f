using Tessera.Evaluation;

namespace Tessera.Training;

/// <summary>One line of <c>metrics.jsonl</c>: of a log step, or, with <see cref="HeldOut"/>, of an epoch's end.</summary>
/// <param name="Step">Optimiser steps made.</param>
/// <param name="Epoch">Epochs made, with their fraction.</param>
/// <param name="Loss">Mean training loss since the line before; null at an epoch's end.</param>
/// <param name="LearningRate">Rate of the last step.</param>
/// <param name="ImagesPerSecond">Training throughput since the line before; null at an epoch's end.</param>
/// <param name="HeldOut">Reconstruction of held-out pictures.</param>
public sealed record MetricsLine(
    long Step, double Epoch, double? Loss = null, double? LearningRate = null, double? ImagesPerSecond = null, ReconstructionReport? HeldOut = null);
