using Tessera.Models;
using Tessera.Runtime;

namespace Tessera.Benchmarking;

/// <summary>What the figures were measured on.</summary>
/// <param name="Processor">The CPU's name.</param>
/// <param name="Cores">Logical cores that the process may use.</param>
/// <param name="Threads">Threads of libtorch's operations.</param>
/// <param name="Device">Where training runs: <c>cpu</c>, or a GPU's name.</param>
/// <param name="OperatingSystem">Name and version.</param>
/// <param name="Runtime">.NET's version.</param>
/// <param name="Tessera">Tessera's version.</param>
public sealed record SystemReport(
    string Processor, int Cores, int Threads, string Device, string OperatingSystem, string Runtime, string Tessera);

/// <summary>A machine's own limits, in the process and with the threads that train.</summary>
/// <param name="Fp32">Matrix products of 32-bit factors; on a GPU, TF32 where the step uses it.</param>
/// <param name="Bf16">Matrix products of bf16 factors.</param>
/// <param name="Bandwidth">
/// Copying a buffer far larger than the caches, B/s: bytes read plus bytes written. What the hardware reads besides, to fill the cache lines
/// that are written, is not counted, as in STREAM.
/// </param>
public sealed record MachineReport(PeakReport Fp32, PeakReport Bf16, Measurement Bandwidth);

/// <summary>What matrix products reach on a machine: the fastest of several shapes.</summary>
/// <param name="Precision">The number format: <c>fp32</c> or <c>bf16</c>.</param>
/// <param name="Rate">The fastest shape's rate, FLOP/s.</param>
/// <param name="Fastest">The fastest shape.</param>
/// <param name="Shapes">Every shape that was tried.</param>
public sealed record PeakReport(string Precision, Measurement Rate, string Fastest, IReadOnlyList<PeakShape> Shapes);

/// <summary>One shape of matrix product, (M, K) × (K, N), the second factor stored as a linear layer stores its weight.</summary>
/// <param name="Shape"><c>M×K×N</c></param>
/// <param name="Rate">FLOP/s, 2 M K N a product.</param>
public sealed record PeakShape(string Shape, Measurement Rate);

/// <summary>How long the process took to its first training step, once, cold. Seconds since the process began.</summary>
/// <param name="Data">When the pictures were there, packed, opened, or measured to be streamed.</param>
/// <param name="Model">When the model, the optimiser and the loader were there.</param>
/// <param name="FirstStep">When the first optimiser step had ended.</param>
/// <param name="Packed">Whether the pictures had to be packed; false: they had been before, or are streamed.</param>
public sealed record StartUpReport(double Data, double Model, double FirstStep, bool Packed);

/// <summary>The process's memory in training, read before anything else is measured. Bytes.</summary>
/// <param name="Peak">The most that was ever resident, pages of mapped files included.</param>
/// <param name="Anonymous">
/// The most that was resident after a step and is no file's: what training itself holds. Null where the system does not tell.
/// </param>
/// <param name="Mapped">Pages of files that were resident then: the packed pictures', the libraries'. Null where the system does not tell.</param>
public sealed record MemoryReport(long Peak, long? Anonymous, long? Mapped);

/// <summary>The training step alone, on batches that lie in memory: augmentation, forward, backward, optimiser.</summary>
/// <param name="Precision">The number format of its matrix products; never auto, but what that came to.</param>
/// <param name="StepsPerRound">Optimiser steps a round.</param>
/// <param name="ImagesPerStep">Pictures an optimiser step.</param>
/// <param name="ImagesPerSecond">Pictures a second.</param>
/// <param name="FlopPerImage">Forward and backward, FLOP a picture: <see cref="PretrainingFlop.Training"/>.</param>
/// <param name="FlopPerSecond">Model FLOP/s: the two above multiplied.</param>
/// <param name="Peak">Matrix products between the step's rounds, FLOP/s: the fastest shape in the step's precision.</param>
/// <param name="ShareOfPeak">Each round's model FLOP/s over the mean of the peaks before and after it, 0 to 1.</param>
/// <param name="FirstLoss">The first step's loss: a function of the options and pictures, so that two reports can be told to do the same.</param>
/// <param name="Breakdown">Where the time goes, in rounds of its own.</param>
public sealed record StepReport(
    Precision Precision, int StepsPerRound, int ImagesPerStep, Measurement ImagesPerSecond, long FlopPerImage, Measurement FlopPerSecond,
    Measurement Peak, Measurement ShareOfPeak, double FirstLoss, StepBreakdown Breakdown);

/// <summary>
/// Where an optimiser step's time goes, seconds a step. On a GPU each phase is waited for, which a training step does not do, so
/// the sum is more than a step takes.
/// </summary>
/// <param name="Waiting">Waiting for the loader's next batch.</param>
/// <param name="Augment">Bringing the batch to the device, crops, flips, colours, standardising.</param>
/// <param name="Forward">From patches to the loss, or to what is coupled.</param>
/// <param name="Backward">From the loss to the gradients.</param>
/// <param name="Optimizer">Clipping and AdamW.</param>
/// <param name="Total">All of it, and freeing what the step made.</param>
/// <param name="Couple">The loss of coupled pictures, and back to what was coupled; null where none are.</param>
public sealed record StepBreakdown(
    Measurement Waiting, Measurement Augment, Measurement Forward, Measurement Backward, Measurement Optimizer, Measurement Total, Measurement? Couple = null);

/// <summary>The way of the data, images/s each.</summary>
/// <param name="FromFiles">Decoding encoded pictures on all cores, without packing.</param>
/// <param name="FilesAre">Which pictures those were, for people.</param>
/// <param name="Packing">Decoding them into a packed file that is then opened.</param>
/// <param name="FromPacked">Batches from a packed file (from the source itself where it is streamed), with crops and masks drawn and no training.</param>
/// <param name="EndToEnd">The same batches, each trained on.</param>
public sealed record LoaderReport(
    Measurement FromFiles, string FilesAre, Measurement Packing, Measurement FromPacked, Measurement EndToEnd);

/// <summary>The encoder's forward pass over whole pictures, from bytes in memory to tokens.</summary>
/// <param name="BatchSize">Pictures a batch.</param>
/// <param name="ImagesPerSecond">Pictures a second.</param>
/// <param name="FlopPerImage">Forward, FLOP a picture: <see cref="TransformerCost.FlopOfEmbedding"/>.</param>
/// <param name="ShareOfPeak">Each round's model FLOP/s over the mean of the matrix products' before and after it, 0 to 1.</param>
public sealed record EmbeddingReport(int BatchSize, Measurement ImagesPerSecond, long FlopPerImage, Measurement ShareOfPeak);
