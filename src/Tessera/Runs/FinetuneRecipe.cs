using Tessera.Data;
using Tessera.Objectives;

namespace Tessera.Runs;

/// <summary>Options of a fine-tuning that suit a number of pictures.</summary>
/// <remarks>docs/results.md says what they were measured on.</remarks>
public static class FinetuneRecipe
{
    /// <summary>Training pictures of a class from which on some are kept out of training.</summary>
    public const int SparingPictures = 20;

    private const int Views = 50_000, FewestEpochs = 20, MostEpochs = 100;
    private const int Few = 20_000; // training pictures below which so much of each must stay as it is: docs/results.md
    private const int SmallestBatch = 8, LargestBatch = 128;
    private const int Evaluations = 10;

    /// <summary>The options, those of which pictures and which model left as they were.</summary>
    /// <param name="ground">Says pictures, model, seed, and whether it is from scratch.</param>
    /// <param name="pictures">Labelled pictures to train on, at least 1.</param>
    /// <param name="classes">Classes, at least 1.</param>
    public static FinetuneOptions For(FinetuneOptions ground, int pictures, int classes)
    {
        ArgumentNullException.ThrowIfNull(ground);
        ArgumentOutOfRangeException.ThrowIfLessThan(pictures, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 1);
        var epochs = Math.Clamp(Views / pictures, FewestEpochs, MostEpochs);
        var batch = Math.Min(pictures, Math.Clamp((int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)pictures / 4 + 1) / 2, SmallestBatch, LargestBatch));
        var steps = (double)epochs * (pictures / batch);
        var (isFew, standard, canChoose) = (pictures < Few, new ClassOptions(), pictures >= SparingPictures * classes);
        // With nothing to choose by, what could be worse than the layer that is begun with is left out: crops cost it 2.5 points in 234 steps, whole pictures none.
        var isCautious = isFew && !canChoose && !ground.FromScratch;
        return ground with
        {
            HoldOut = canChoose,
            Classes = ground.Classes with
            {
                LayerDecay = ground.FromScratch ? 1 : standard.LayerDecay,
                LayerFirst = !ground.FromScratch,
                LabelSmoothing = isCautious ? 0 : standard.LabelSmoothing,
                DropPath = isCautious ? 0 : standard.DropPath,
                Mixup = isFew ? 0 : standard.Mixup,
                CutMix = isFew ? 0 : standard.CutMix,
            },
            Augmentation = isCautious ? ground.Augmentation with { SmallestCrop = 1, Colour = 0 }
                : isFew
                ? ground.Augmentation with { SmallestCrop = 0.5, Colour = 0.4 }
                : ground.Augmentation with { SmallestCrop = 0.35, Policy = AugmentationPolicy.ThreeAugment, Colour = 0.75, Erasing = 0.25 },
            Training = ground.Training with
            {
                Epochs = epochs,
                BatchSize = batch,
                LearningRate = PeakRate(batch) * (ground.FromScratch ? 1 : isFew ? 0.2 : 0.5) * 256 / batch, // what has learned something has something to lose
                Clip = 1,
                AverageDecay = Math.Round(Math.Clamp(1 - 10 / steps, 0.9, 0.9999), 5), // an average over about a tenth of the run
                EvaluateEvery = Math.Max(1, epochs / Evaluations),
                FeatureLimit = 0,
            },
        };
    }

    /// <summary>AdamW's step is as long whatever the gradient: what a larger batch allows is a longer one by the root of its size (Malladi et al. 2022, arXiv:2205.10287).</summary>
    private static double PeakRate(int batch) => 1e-3 * Math.Sqrt(batch / 256.0);
}
