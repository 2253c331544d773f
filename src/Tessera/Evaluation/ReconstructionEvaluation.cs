using Tessera.Data;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Ranks;
using Tessera.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Measures a model's reconstructions of pictures it has not been trained on.</summary>
public static class ReconstructionEvaluation
{
    /// <summary>Restores the pictures and compares.</summary>
    /// <param name="model">The model, on its device.</param>
    /// <param name="normalization">How its pictures are standardised.</param>
    /// <param name="images">Pictures of the model's size.</param>
    /// <param name="pictures">Which of them.</param>
    /// <param name="masks">Draws the masks, those of epoch 0: the same for every model.</param>
    /// <param name="device">The model's device.</param>
    /// <param name="batchSize">Pictures a forward pass; null: what a budget of memory holds, whatever the pictures' size.</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="ranks">Those who share the pictures, each with the same model; all get the figures of all pictures. Null: this process alone.</param>
    /// <param name="cancellation">Ends the evaluation early.</param>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    /// <exception cref="DeviceMemoryException">The device's memory is not enough.</exception>
    public static ReconstructionReport Run(
        MaskedAutoencoder model, PixelNormalization normalization, ImageSet images, ReadOnlyMemory<int> pictures, MaskSampler masks,
        Device device, int? batchSize = null, IProgress<int>? progress = null, Communicator? ranks = null, CancellationToken cancellation = default)
    {
        ranks ??= Communicator.Alone;
        var share = pictures[new BatchShare(ranks.Rank, ranks.Size).Of(pictures.Length)];
        var encoder = model.Options.Encoder;
        using var quiet = inference_mode();
        using var baselines = new Baselines(encoder, device);
        var (restored, mean, distance) = (new Tally(), new Tally(), new Tally());
        var (loss, done) = (0.0, 0);
        var loader = new BatchLoader(images, BatchPlan.Whole(masks), pinned: device.type == DeviceType.CUDA);
        foreach (var loaded in loader.Load(share, batchSize ?? BatchSizeFor(model.Options), epoch: 0))
        {
            using var owned = loaded;
            cancellation.ThrowIfCancellationRequested();
            DeviceMemory.For(device, () => Compare(loaded), () => new MemoryNeed($"restoring {loaded.Count} pictures at once", "restore fewer at once, leave it more, or compute on another device"));
            progress?.Report(done += loaded.Count);
        }
        Tally[] tallies = [restored, mean, distance];
        var sums = ranks.Sum([loss, .. tallies.SelectMany(t => t.Sums)]);
        for (var i = 0; i < tallies.Length; i++) tallies[i].Sums = sums[(1 + 3 * i)..(4 + 3 * i)];
        return new ReconstructionReport(pictures.Length, sums[0] / pictures.Length, restored.Quality, mean.Quality, distance.Quality,
            model.Options.Target == ReconstructionTarget.NormalizedPixels);

        void Compare(Batch loaded)
        {
            using var batch = loaded.On(device);
            using var scope = NewDisposeScope();
            var mask = batch.Views[0].Mask!;
            var restoration = Restoration.Of(model, normalization, batch.Images!, mask);
            var visible = Patches.Pick(Patches.Cut(restoration.Original, encoder.PatchSize), mask.Visible);

            restored.Add(restoration.Pasted, restoration);
            mean.Add(Fill(baselines.VisibleMean(visible, mask)), restoration);
            distance.Add(Fill(baselines.InverseDistance(visible, mask)), restoration);
            loss += restoration.Loss.item<float>() * batch.Count;

            Tensor Fill(Tensor hidden) =>
                Patches.Join(mask.ToRasterOrder(cat([visible, hidden], dim: 1)), encoder.PatchSize, encoder.GridHeight);
        }
    }

    /// <summary>How many pictures are restored at once: the more, the faster, up to a budget.</summary>
    internal static int BatchSizeFor(MaskedAutoencoderOptions model)
    {
        const long Budget = 256L << 20, LargestBatch = 256;
        const int Copies = 24; // of a picture in fp32 that restoring, pasting and comparing it three times hold at once
        var encoder = model.Encoder;
        var widest = new BlockCost(Math.Max(encoder.Width, model.DecoderWidth), Math.Max(encoder.Heads, model.DecoderHeads), encoder.MlpRatio);
        var block = widest.ValuesAtOnce(TransformerCost.Tokens(encoder));
        var picture = (long)Copies * encoder.Channels * encoder.ImageHeight * encoder.ImageWidth;
        return (int)Math.Clamp(Budget / (sizeof(float) * (block + picture)), 1, LargestBatch);
    }

    private sealed class Tally
    {
        private double squaredError, similarity, pixels;

        public double[] Sums
        {
            get => [squaredError, similarity, pixels];
            set => (squaredError, similarity, pixels) = (value[0], value[1], value[2]);
        }

        public ReconstructionQuality Quality => new(-10 * Math.Log10(squaredError / pixels), similarity / pixels);

        public void Add(Tensor pasted, Restoration truth)
        {
            var hidden = truth.HiddenPixels.expand_as(pasted);
            var error = pasted - truth.Original;
            squaredError += (error * error * hidden).sum(type: ScalarType.Float64).item<double>();
            similarity += (StructuralSimilarity.Map(pasted, truth.Original) * hidden).sum(type: ScalarType.Float64).item<double>();
            pixels += hidden.sum(type: ScalarType.Float64).item<double>();
        }
    }
}

/// <summary>A model's reconstructions beside those that learn nothing, on the same pictures and masks.</summary>
/// <param name="Pictures">How many pictures were restored.</param>
/// <param name="Loss">The training loss on them.</param>
/// <param name="Model">The model.</param>
/// <param name="VisibleMean">Every hidden patch filled with the mean of the visible pixels.</param>
/// <param name="InverseDistance">Every hidden patch filled by inverse-distance weighting of the visible patches.</param>
/// <param name="UsesTrueStatistics">
/// True for a model of normalised pixels: its patches get their mean and deviation from the true ones, so its figures hold part of
/// the answer and must not be compared with the others.
/// </param>
public sealed record ReconstructionReport(
    int Pictures, double Loss, ReconstructionQuality Model, ReconstructionQuality VisibleMean, ReconstructionQuality InverseDistance,
    bool UsesTrueStatistics);

/// <summary>How well hidden patches were restored.</summary>
/// <param name="Psnr">Peak signal-to-noise ratio in dB, of the mean squared error over all hidden pixels of all pictures, values 0 to 1.</param>
/// <param name="Ssim">Mean structural similarity over all hidden pixels, of the picture with its visible patches in place.</param>
public sealed record ReconstructionQuality(double Psnr, double Ssim);
