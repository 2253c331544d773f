using Tessera.Data;
using Tessera.Imaging;
using Tessera.Training;

namespace Tessera.Cli.Commands;

/// <summary>The options that all kinds of training share: pictures, how they are varied, how long and how fast.</summary>
internal abstract class RunOptionSet<T>(T defaults) : OptionSet<T>(defaults) where T : class
{
    /// <param name="data">The group.</param>
    /// <param name="imageSize">What the image size is by default; null: the group's.</param>
    protected static void AddData(Group<DataOptions> data, string? imageSize = null)
    {
        data.AddSources("--data", $"{CommonOptions.SourceWords}; several make one set", nameof(DataOptions.Source), d => d.Source,
            (d, v) => d with { Source = ImageSource.FullName(v) }, mayChange: Always);
        data.Add("--image-size", "S|HxW", "Size of the pictures in pixels", nameof(DataOptions.ImageSize), d => d.ImageSize, (d, v) => d with { ImageSize = v }, imageSize);
        data.AddFlag("--no-pack", "Decode pictures each time they are needed, for a folder too large to pack; a .tessera file of the size is used as it is [default: pack once]",
            nameof(DataOptions.NoPack), (d, v) => d with { NoPack = v });
        data.AddWord("--data-on-device", "Whether all pictures are put into a GPU's memory", nameof(DataOptions.OnDevice), d => d.OnDevice, (d, v) => d with { OnDevice = v });
        data.Add("--limit", "N", "A seeded, class-balanced subset of so many training pictures", nameof(DataOptions.Limit), d => d.Limit, (d, v) => d with { Limit = v }, "all");
    }

    /// <param name="augmentation">The group.</param>
    /// <param name="standards">What is said of defaults; null: the group's own hold.</param>
    protected static void AddAugmentation(Group<AugmentationOptions> augmentation, (string Crop, string Colour, string? Policy, string? Erasing) standards)
    {
        augmentation.Add("--smallest-crop", "SHARE", "Smallest share of a picture that a random crop keeps", nameof(AugmentationOptions.SmallestCrop),
            a => a.SmallestCrop, (a, v) => a with { SmallestCrop = v }, standards.Crop);
        augmentation.Add("--colour", "STRENGTH", "How strongly colours vary, with one picture in five made grey; 0: not at all, below 2.5", nameof(AugmentationOptions.Colour),
            a => a.Colour, (a, v) => a with { Colour = v }, standards.Colour);
        augmentation.AddWord("--policy", "What else is done to each picture; three-augment: it is made grey, solarized or blurred, in the place of the one in five that is grey",
            nameof(AugmentationOptions.Policy), a => a.Policy, (a, v) => a with { Policy = v }, standards.Policy);
        augmentation.Add("--erasing", "P", "How often a rectangle of a picture becomes the mean colour", nameof(AugmentationOptions.Erasing),
            a => a.Erasing, (a, v) => a with { Erasing = v }, standards.Erasing);
        augmentation.AddFlag("--no-flip", "Do not mirror pictures", nameof(AugmentationOptions.Flip), (a, v) => a with { Flip = !v });
    }

    /// <param name="training">The group.</param>
    /// <param name="standard">What is said of a default that hangs on the pictures; null: the group's own hold.</param>
    /// <param name="mayLengthen">Whether a run that was begun may go on with other epochs; null: it may not.</param>
    protected static void AddLength(Group<TrainingOptions> training, string? standard, Func<T, bool>? mayLengthen = null)
    {
        training.Add("--epochs", "N", "Passes over the training pictures", nameof(TrainingOptions.Epochs), t => t.Epochs, (t, v) => t with { Epochs = v }, standard, mayLengthen);
        training.Add("--batch-size", "N", "Pictures a forward pass", nameof(TrainingOptions.BatchSize), t => t.BatchSize, (t, v) => t with { BatchSize = v }, standard);
        training.Add("--accumulate", "N", "Forward passes an optimiser step", nameof(TrainingOptions.Accumulate), t => t.Accumulate, (t, v) => t with { Accumulate = v });
        training.Add("--learning-rate", "RATE", "Base rate, scaled by effective batch / 256", nameof(TrainingOptions.LearningRate), t => t.LearningRate, (t, v) => t with { LearningRate = v }, standard);
        training.Add("--weight-decay", "D", "AdamW's decoupled weight decay", nameof(TrainingOptions.WeightDecay), t => t.WeightDecay, (t, v) => t with { WeightDecay = v });
        training.Add("--clip", "NORM", "Largest norm of the gradient", nameof(TrainingOptions.Clip), t => t.Clip, (t, v) => t with { Clip = v }, standard is null ? null : "1");
        training.Add("--average-decay", "D", "Keep an average of the weights, of which each step keeps this share, such as .99; it is what is evaluated and kept", nameof(TrainingOptions.AverageDecay),
            t => t.AverageDecay, (t, v) => t with { AverageDecay = v }, standard ?? "no average");
    }

    /// <param name="training">The group.</param>
    /// <param name="evaluated">What is done with pictures in an evaluation.</param>
    /// <param name="standard">What is said of a default that hangs on the pictures; null: the group's own hold.</param>
    protected static void AddMachine(Group<TrainingOptions> training, string evaluated, string? standard = null)
    {
        training.Add("--device", "D", "auto, cpu, cuda or cuda:N", nameof(TrainingOptions.Device), t => t.Device, (t, v) => t with { Device = v }, mayChange: Always);
        training.AddWord("--precision", "Number format of the step", nameof(TrainingOptions.Precision), t => t.Precision, (t, v) => t with { Precision = v }, mayChange: Always);
        training.Add("--workers", "N", "Parts of a batch that are computed at once", nameof(TrainingOptions.Workers), t => t.Workers, (t, v) => t with { Workers = v }, "the cores, or fewer where the model is large", mayChange: Always);
        training.Add("--threads", "N", "Threads of each of several workers", nameof(TrainingOptions.Threads), t => t.Threads, (t, v) => t with { Threads = v }, "1, or more where the model is large", mayChange: Always);
        training.AddWord("--wire", "Number format in which gradients travel between the ranks of mpirun or srun", nameof(TrainingOptions.Wire), t => t.Wire, (t, v) => t with { Wire = v }, mayChange: Always);
        training.Add("--evaluate-every", "N", "Epochs between evaluations", nameof(TrainingOptions.EvaluateEvery), t => t.EvaluateEvery, (t, v) => t with { EvaluateEvery = v }, standard, mayChange: Always);
        training.Add("--evaluate-limit", "N", $"Pictures {evaluated} in an evaluation", nameof(TrainingOptions.EvaluateLimit), t => t.EvaluateLimit, (t, v) => t with { EvaluateLimit = v }, "all", mayChange: Always);
        training.Add("--log-steps", "N", "Steps between lines of the log", nameof(TrainingOptions.LogSteps), t => t.LogSteps, (t, v) => t with { LogSteps = v }, mayChange: Always);
        training.Add("--checkpoint-steps", "N", "Steps between checkpoints; one is also written before each evaluation", nameof(TrainingOptions.CheckpointSteps),
            t => t.CheckpointSteps, (t, v) => t with { CheckpointSteps = v }, mayChange: Always);
        training.Add("--checkpoint-minutes", "N", "Minutes after which one is written whatever the step", nameof(TrainingOptions.CheckpointMinutes),
            t => t.CheckpointMinutes, (t, v) => t with { CheckpointMinutes = v }, mayChange: Always);
    }
}
