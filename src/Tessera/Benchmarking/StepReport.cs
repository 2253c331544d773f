using Tessera.Runtime;

namespace Tessera.Benchmarking;

/// <summary>The training step alone, on batches that lie in memory: augmentation, forward, backward, optimiser.</summary>
/// <param name="Precision">The number format of its matrix products; never auto, but what that came to.</param>
/// <param name="StepsPerRound">Optimiser steps a round.</param>
/// <param name="ImagesPerStep">Pictures an optimiser step.</param>
/// <param name="ImagesPerSecond">Pictures a second.</param>
/// <param name="FlopPerImage">Forward and backward, FLOP a picture: <see cref="FlopCount.Training"/>.</param>
/// <param name="FlopPerSecond">Model FLOP/s: the two above multiplied.</param>
/// <param name="Peak">Matrix products between the step's rounds, FLOP/s: the fastest shape in the step's precision.</param>
/// <param name="ShareOfPeak">Each round's model FLOP/s over the mean of the peaks before and after it, 0 to 1.</param>
/// <param name="FirstLoss">The first step's loss: a function of the options and pictures, so that two reports can be told to do the same.</param>
/// <param name="Breakdown">Where the time goes, in rounds of its own.</param>
public sealed record StepReport(
    Precision Precision, int StepsPerRound, int ImagesPerStep, Measurement ImagesPerSecond, long FlopPerImage, Measurement FlopPerSecond,
    Measurement Peak, Measurement ShareOfPeak, double FirstLoss, StepBreakdown Breakdown);
