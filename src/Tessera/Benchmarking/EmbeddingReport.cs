namespace Tessera.Benchmarking;

/// <summary>The encoder's forward pass over whole pictures, from bytes in memory to tokens.</summary>
/// <param name="BatchSize">Pictures a batch.</param>
/// <param name="ImagesPerSecond">Pictures a second.</param>
/// <param name="FlopPerImage">Forward, FLOP a picture: <see cref="FlopCount.OfEmbedding"/>.</param>
/// <param name="ShareOfPeak">Each round's model FLOP/s over the mean of the matrix products' before and after it, 0 to 1.</param>
public sealed record EmbeddingReport(int BatchSize, Measurement ImagesPerSecond, long FlopPerImage, Measurement ShareOfPeak);
