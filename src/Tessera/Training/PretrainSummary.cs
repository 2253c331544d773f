using Tessera.Evaluation;
using Tessera.Imaging;

namespace Tessera.Training;

/// <summary>What came out of a run, as <c>summary.json</c> holds it.</summary>
/// <param name="Folder">The run directory.</param>
/// <param name="Data">What the pictures are.</param>
/// <param name="TrainingPictures">Pictures trained on; of a stream, the broken ones' stand-ins counted for them.</param>
/// <param name="HeldOutPictures">Pictures evaluated on, which training never saw.</param>
/// <param name="Broken">Pictures that could not be read and were left out, and why; of a stream, those that this process met.</param>
/// <param name="Parameters">Learned values of the whole model.</param>
/// <param name="EncoderParameters">Learned values of the encoder.</param>
/// <param name="Epochs">Epochs made.</param>
/// <param name="Steps">Optimiser steps made.</param>
/// <param name="Device">Where it ran.</param>
/// <param name="Seconds">Wall-clock time of this process, evaluations included.</param>
/// <param name="ImagesPerSecond">Median training throughput over the log intervals, evaluations excluded; null where metrics.jsonl was lost.</param>
/// <param name="FinalLoss">Mean training loss of the last log interval; null where metrics.jsonl was lost.</param>
/// <param name="HeldOut">Reconstruction of the held-out pictures after the last epoch.</param>
public sealed record PretrainSummary(
    string Folder, string Data, int TrainingPictures, int HeldOutPictures, IReadOnlyList<BrokenImage> Broken, long Parameters, long EncoderParameters,
    int Epochs, long Steps, string Device, double Seconds, double? ImagesPerSecond, double? FinalLoss, ReconstructionReport HeldOut);
