using Tessera.Imaging;
using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Benchmarking;

/// <summary>Measures the encoder's forward pass over whole pictures.</summary>
internal sealed class EmbeddingBenchmark(
    ImageSet images, VisionTransformer encoder, PixelNormalization normalization, ScalarType productType, RoundClock clock, Device device, BenchmarkOptions options)
{
    public EmbeddingReport Run(PeakRounds peaks, Action<string, int> begins)
    {
        using var quiet = no_grad();
        using var pixels = Pixels(Math.Min(options.Pretraining.Training.BatchSize, images.Count));
        var batch = (int)pixels.shape[0];
        var flop = TransformerCost.FlopOfEmbedding(encoder.Options);
        var calls = clock.CallsIn(options.RoundSeconds, Embed);
        var (rates, _, shares) = peaks.Between(productType, options.Rounds, round =>
        {
            begins("embedding", round);
            return (double)calls * batch * flop / clock.Seconds(calls, Embed);
        });
        return new EmbeddingReport(batch, Measurement.Of(rates).Times(1.0 / flop), flop, Measurement.Of(shares));

        void Embed()
        {
            using var scope = NewDisposeScope();
            _ = encoder.call(normalization.Standardize(pixels.to(device)));
        }
    }

    /// <returns>(B, C, H, W) uint8, on the CPU</returns>
    private Tensor Pixels(int batch)
    {
        var shape = images.Shape;
        var pixels = empty(batch, shape.Channels, shape.Height, shape.Width, ScalarType.Byte).DetachFromDisposeScope();
        var target = pixels.bytes;
        for (var i = 0; i < batch; i++) images.Read(i, target[(i * shape.Pixels)..]);
        return pixels;
    }
}
