using System.Globalization;
using System.Text.Json.Serialization;
using Tessera.Data;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Runtime;

namespace Tessera.Runs;

/// <summary>Everything that decides a pretraining run. The file <c>options.json</c> of a run holds one, resolved.</summary>
public sealed record PretrainOptions
{
    /// <summary>Where the pictures are: a folder, a .tessera file, or <c>shapes</c>, which the program draws itself.</summary>
    public string Data { get; init; } = "shapes";

    /// <summary>A preset's name. Tiny: what a small data set can fill, and a CPU can train.</summary>
    public string Model { get; init; } = "vit-tiny";

    /// <summary>Size of the pictures in pixels, S or HxW. 64 is Tiny-ImageNet's.</summary>
    public string ImageSize { get; init; } = "64";

    /// <summary>Side of a patch in pixels.</summary>
    public int PatchSize { get; init; } = 8;

    /// <summary>Channels: 3 (RGB) or 1 (grey).</summary>
    public int Channels { get; init; } = 3;

    /// <summary>Sine-cosine or learned positions.</summary>
    public PositionEmbedding Positions { get; init; } = PositionEmbedding.SinCos;

    /// <summary>Whether the encoder has a class token.</summary>
    public bool ClassToken { get; init; }

    /// <summary>Share of the patches that is hidden.</summary>
    public double MaskRatio { get; init; } = 0.75;

    /// <summary>How hidden patches are chosen: random, block or grid.</summary>
    public string Masking { get; init; } = "random";

    /// <summary>Side in pixels of the square that is hidden as one; null: the patch.</summary>
    public int? MaskUnit { get; init; }

    /// <summary>Size of the set of mask tokens.</summary>
    public int MaskTokens { get; init; } = 16;

    /// <summary>Mask tokens before the encoder, or before the decoder as in MAE.</summary>
    public MaskPlacement Placement { get; init; } = MaskPlacement.Encoder;

    /// <summary>Decoder blocks; null: the preset's.</summary>
    public int? DecoderDepth { get; init; }

    /// <summary>Decoder width; null: the preset's.</summary>
    public int? DecoderWidth { get; init; }

    /// <summary>Decoder heads; null: the preset's.</summary>
    public int? DecoderHeads { get; init; }

    /// <summary>Raw pixels, or pixels normalised patch by patch.</summary>
    public ReconstructionTarget Target { get; init; } = ReconstructionTarget.Pixels;

    /// <summary>Which patches the loss looks at.</summary>
    public LossPlaces LossOn { get; init; } = LossPlaces.Masked;

    /// <summary>Passes over the training pictures.</summary>
    public int Epochs { get; init; } = 100;

    /// <summary>Pictures a forward pass.</summary>
    public int BatchSize { get; init; } = 256;

    /// <summary>Forward passes an optimiser step: the effective batch is this times <see cref="BatchSize"/>.</summary>
    public int Accumulate { get; init; } = 1;

    /// <summary>Base learning rate; the peak is this times the effective batch over 256 (Goyal et al. 2017, arXiv:1706.02677).</summary>
    public double LearningRate { get; init; } = 1e-3; // MAE's 1.5e-4 is for batches of 4,096 and 800 epochs: too slow for small models and short runs

    /// <summary>AdamW's decoupled weight decay.</summary>
    public double WeightDecay { get; init; } = 0.05;

    /// <summary>Epochs of linear warm-up, fractions allowed; null: a twentieth of the run, MAE's share.</summary>
    public double? WarmupEpochs { get; init; }

    /// <summary>Largest norm of the gradient; null: not clipped, as in MAE.</summary>
    public double? Clip { get; init; }

    /// <summary>Smallest share of a picture that a random crop keeps.</summary>
    public double SmallestCrop { get; init; } = 0.2;

    /// <summary>Whether every second picture is mirrored.</summary>
    public bool Flip { get; init; } = true;

    /// <summary>Everything random is a function of this.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>auto, cpu, cuda or cuda:N.</summary>
    public string Device { get; init; } = "auto";

    /// <summary>Number format of the step. What auto finds is written into the run's options, so that a resumed run computes alike.</summary>
    public Precision Precision { get; init; } = Precision.Auto;

    /// <summary>
    /// Whether pictures are decoded each time they are needed, for a folder too large to pack. Packing is the default: it decodes once, and each
    /// epoch after that costs no decoding. A .tessera file of the right size is used as it is.
    /// </summary>
    public bool NoPack { get; init; }

    /// <summary>Whether all packed pictures are put into a GPU's memory.</summary>
    public DataOnDevice DataOnDevice { get; init; } = DataOnDevice.Auto;

    /// <summary>A seeded, class-balanced subset of so many training pictures; null: all.</summary>
    public int? Limit { get; init; }

    /// <summary>A seeded subset of so many held-out pictures for the evaluation after each epoch; null: all.</summary>
    public int? EvaluateLimit { get; init; }

    /// <summary>Optimiser steps between lines of the log.</summary>
    public int LogSteps { get; init; } = 20;

    /// <summary>Optimiser steps between checkpoints; one is also written after each epoch.</summary>
    public int CheckpointSteps { get; init; } = 500;

    /// <summary>What runs when nothing is asked for: a small model on the built-in shapes, about a minute on two cores.</summary>
    [JsonIgnore]
    public static PretrainOptions QuickStart { get; } = new()
    {
        Model = "vit-micro",
        Epochs = 4,
        BatchSize = 32,
        LearningRate = 1.2e-2, // many small steps get further in a minute than few large ones
        SmallestCrop = 0.9, // a minute is too short to be bored by the same pictures
        Clip = 1,
    };

    /// <summary>Pictures an optimiser step sees.</summary>
    [JsonIgnore]
    public int EffectiveBatch => BatchSize * Accumulate;

    /// <summary>The peak learning rate.</summary>
    [JsonIgnore]
    public double PeakLearningRate => LearningRate * EffectiveBatch / 256;

    /// <summary>Height and width of the pictures.</summary>
    /// <exception cref="FormatException"><see cref="ImageSize"/> is not S or HxW.</exception>
    [JsonIgnore]
    public (int Height, int Width) Size
    {
        get
        {
            var sides = ImageSize.Split('x', 'X').Select(s => int.TryParse(s, NumberStyles.None, CultureInfo.InvariantCulture, out var side) ? side : 0).ToArray();
            return sides switch
            {
                [> 0 and <= 4096] => (sides[0], sides[0]),
                [> 0 and <= 4096, > 0 and <= 4096] => (sides[0], sides[1]),
                _ => throw new FormatException($"the image size is '{ImageSize}': write S or HxW in pixels, each 1 to 4096, such as 64 or 64x96"),
            };
        }
    }

    /// <summary>The masks these options ask for.</summary>
    public MaskOptions ToMask() => new() { Ratio = MaskRatio, Masking = Masking, Unit = MaskUnit };

    /// <summary>The augmentation these options ask for.</summary>
    public AugmentationOptions ToAugmentation() => new() { SmallestCrop = SmallestCrop, Flip = Flip };

    /// <summary>The model these options ask for. Call <see cref="Validate"/> first.</summary>
    public MaskedAutoencoderOptions ToModel()
    {
        var preset = VisionTransformerPreset.Find(Model) ?? throw new ArgumentException($"there is no model '{Model}'");
        var (height, width) = Size;
        return new MaskedAutoencoderOptions
        {
            Encoder = new VisionTransformerOptions
            {
                Channels = Channels,
                ImageHeight = height,
                ImageWidth = width,
                PatchSize = PatchSize,
                Width = preset.Width,
                Depth = preset.Depth,
                Heads = preset.Heads,
                Positions = Positions,
                ClassToken = ClassToken,
            },
            Placement = Placement,
            MaskTokens = MaskTokens,
            DecoderWidth = DecoderWidth ?? preset.DecoderWidth,
            DecoderDepth = DecoderDepth ?? preset.DecoderDepth,
            DecoderHeads = DecoderHeads ?? preset.DecoderHeads,
            Target = Target,
            LossOn = LossOn,
        };
    }

    /// <summary>Checks all options at once.</summary>
    /// <exception cref="PretrainOptionsException">Something is wrong; every fault is named.</exception>
    public void Validate()
    {
        var faults = Faults().ToList();
        if (faults.Count > 0) throw new PretrainOptionsException(faults);
    }

    private IEnumerable<string> Faults() =>
        SizeAndModelFaults().Concat(ToAugmentation().Faults()).Concat(ScheduleFaults()).Concat(DataFaults());

    private IEnumerable<string> SizeAndModelFaults()
    {
        string? size = null;
        try { _ = Size; } catch (FormatException e) { size = e.Message; }
        if (size is not null) yield return size;

        var known = VisionTransformerPreset.Find(Model) is not null;
        if (!known) yield return $"there is no model '{Model}': choose {string.Join(", ", VisionTransformerPreset.All.Select(p => p.Name))}";
        if (size is not null || !known) yield break;
        foreach (var fault in ToModel().Faults()) yield return fault;
        var (height, width) = Size;
        foreach (var fault in ToMask().Faults(height, width, PatchSize)) yield return fault;
    }

    private IEnumerable<string> ScheduleFaults()
    {
        (string Name, double? Value, double Least)[] numbers =
        [
            ("number of epochs", Epochs, 1), ("batch size", BatchSize, 1), ("accumulation", Accumulate, 1), ("limit", Limit, 1),
            ("evaluation limit", EvaluateLimit, 1), ("number of log steps", LogSteps, 1), ("number of checkpoint steps", CheckpointSteps, 1),
            ("weight decay", WeightDecay, 0), ("number of warm-up epochs", WarmupEpochs, 0),
        ];
        foreach (var (name, value, least) in numbers)
        {
            if (value is { } number && !(number >= least)) yield return $"the {name} is {number}: it must be at least {least}";
        }
        if ((long)BatchSize * Accumulate > int.MaxValue) yield return $"{Accumulate} batches of {BatchSize} are more than a run can count: it must be at most {int.MaxValue}";
        if (!(LearningRate > 0) || double.IsInfinity(LearningRate)) yield return $"the learning rate is {LearningRate}: it must be above 0";
        if (Clip is { } clip && !(clip > 0)) yield return $"the clipping norm is {clip}: it must be above 0";
        if (WarmupEpochs > Epochs) yield return $"the warm-up of {WarmupEpochs} epochs is longer than the run of {Epochs}";
    }

    private IEnumerable<string> DataFaults()
    {
        if (NoPack && DataOnDevice == DataOnDevice.Yes)
            yield return "pictures that are not packed cannot be put on the device: leave out --no-pack, or use --data-on-device auto";
    }
}

/// <summary>Options that cannot be run. The message names every fault.</summary>
public sealed class PretrainOptionsException(IReadOnlyList<string> faults) : Exception(Join(faults))
{
    /// <summary>The faults, a sentence each.</summary>
    public IReadOnlyList<string> Faults { get; } = faults;

    private static string Join(IReadOnlyList<string> faults)
    {
        var text = string.Join("; ", faults);
        return text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..] + ".";
    }
}
