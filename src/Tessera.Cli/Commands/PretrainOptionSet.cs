using System.CommandLine;
using System.Globalization;
using Tessera.Data;
using Tessera.Imaging;
using Tessera.Masking;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Runs;
using Tessera.Training;

namespace Tessera.Cli.Commands;

/// <summary>The options of pretraining on the command line: each is one property of <see cref="PretrainOptions"/>.</summary>
internal sealed class PretrainOptionSet
{
    private static readonly PretrainOptions Defaults = new();
    private readonly List<Setting> settings = [];

    public PretrainOptionSet()
    {
        AddData();
        AddModel();
        AddTraining();
    }

    public void AddTo(Command command)
    {
        foreach (var setting in settings) command.Add(setting.Option);
    }

    /// <summary>Whether the command line names the pictures or the model; if neither, the quick start's options are the ground.</summary>
    public bool Names(ParseResult parsed, string name) => settings.Any(s => s.Option.Name == name && s.IsGiven(parsed));

    /// <summary>The ground, changed by what the command line says.</summary>
    public PretrainOptions Over(PretrainOptions ground, ParseResult parsed) =>
        settings.Where(s => s.IsGiven(parsed)).Aggregate(ground, (result, setting) => setting.Set(parsed, result));

    /// <summary>The options a run goes on with: its own, and of the command line's what may change on the way.</summary>
    /// <exception cref="UsageException">An option differs that may not.</exception>
    public PretrainOptions Resumed(PretrainOptions begun, ParseResult parsed, string folder)
    {
        var options = begun;
        foreach (var setting in settings.Where(s => s.IsGiven(parsed)))
        {
            var changed = setting.Set(parsed, options);
            if (changed != options && !setting.MayChange)
                throw new UsageException($"--resume {folder} goes on with the options the run was begun with, and {setting.Option.Name} differs from them "
                    + "(see options.json there): leave it out, or begin a new run with --out.");
            options = changed;
        }
        return options;
    }

    /// <summary>The switch that sets an option of the library, by its path; null: none does.</summary>
    public string? Switch(string path) => settings.FirstOrDefault(s => s.Path == path)?.Option.Name;

    /// <summary>The options of the library that switches set, by their paths.</summary>
    internal IEnumerable<string> Paths => settings.Select(s => s.Path);

    private void AddData()
    {
        Add("--data", "SOURCE", "A folder of pictures, a .tessera file, or shapes", "Data.Source", o => o.Data.Source, Data<string>((d, v) => d with { Source = ImageSource.FullName(v) }), mayChange: true);
        Add("--image-size", "S|HxW", "Size of the pictures in pixels", "Data.ImageSize", o => o.Data.ImageSize, Data<string>((d, v) => d with { ImageSize = v }));
        Add("--channels", "1|3", "Grey or RGB", "Data.Channels", o => o.Data.Channels, Data<int>((d, v) => d with { Channels = v }));
        AddFlag("--no-pack", "Decode pictures each time they are needed, for a folder too large to pack; a .tessera file of the size is used as it is [default: pack once]",
            "Data.NoPack", Data<bool>((d, v) => d with { NoPack = v }));
        AddWord("--data-on-device", "Whether all pictures are put into a GPU's memory", "Data.OnDevice", o => o.Data.OnDevice, Data<DataOnDevice>((d, v) => d with { OnDevice = v }));
        Add("--limit", "N", "A seeded, class-balanced subset of so many training pictures", "Data.Limit", o => o.Data.Limit, Data<int?>((d, v) => d with { Limit = v }), "all");
        AddFlag("--hold-out-development", "Leave the development split, a tenth of the training pictures, out of training: for choices to be made on",
            "Data.HoldOutDevelopment", Data<bool>((d, v) => d with { HoldOutDevelopment = v }));
        Add("--smallest-crop", "SHARE", "Smallest share of a picture that a random crop keeps", "Augmentation.SmallestCrop",
            o => o.Augmentation.SmallestCrop, (o, v) => o with { Augmentation = o.Augmentation with { SmallestCrop = v } });
        AddFlag("--no-flip", "Do not mirror pictures", "Augmentation.Flip", (o, v) => o with { Augmentation = o.Augmentation with { Flip = !v } });
    }

    private void AddModel()
    {
        Add("--model", "NAME", string.Join(", ", VisionTransformerPreset.All.Select(p => p.Name)), "Encoder.Model", o => o.Encoder.Model, Encoder<string>((e, v) => e with { Model = v }));
        Add("--patch-size", "PIXELS", "Side of a patch", "Encoder.PatchSize", o => o.Encoder.PatchSize, Encoder<int>((e, v) => e with { PatchSize = v }));
        AddWord("--positions", "Position embedding", "Encoder.Positions", o => o.Encoder.Positions, Encoder<PositionEmbedding>((e, v) => e with { Positions = v }));
        AddFlag("--class-token", "Give the encoder a class token", "Encoder.ClassToken", Encoder<bool>((e, v) => e with { ClassToken = v }));
        Add("--mask-ratio", "R", "Share of the patches that is hidden", "Objective.Mask.Ratio", o => o.Objective.Mask.Ratio, Mask<double>((m, v) => m with { Ratio = v }));
        Add("--masking", "random|block|grid", "How hidden patches are chosen", "Objective.Mask.Masking", o => o.Objective.Mask.Masking, Mask<string>((m, v) => m with { Masking = v }));
        Add("--mask-unit", "PIXELS", "Side of the square that is hidden as one", "Objective.Mask.Unit", o => o.Objective.Mask.Unit, Mask<int?>((m, v) => m with { Unit = v }), "the patch");
        Add("--mask-tokens", "K", "Size of the set of learnable mask tokens", "Objective.MaskTokens", o => o.Objective.MaskTokens, Objective<int>((r, v) => r with { MaskTokens = v }));
        AddWord("--placement", "Where mask tokens join: before the encoder, or before the decoder as in MAE", "Objective.Placement", o => o.Objective.Placement,
            Objective<MaskPlacement>((r, v) => r with { Placement = v }));
        Add("--decoder-depth", "N", "Decoder blocks", "Objective.DecoderDepth", o => o.Objective.DecoderDepth, Objective<int?>((r, v) => r with { DecoderDepth = v }), "the model's");
        Add("--decoder-width", "N", "Decoder width", "Objective.DecoderWidth", o => o.Objective.DecoderWidth, Objective<int?>((r, v) => r with { DecoderWidth = v }), "the model's");
        Add("--decoder-heads", "N", "Decoder heads", "Objective.DecoderHeads", o => o.Objective.DecoderHeads, Objective<int?>((r, v) => r with { DecoderHeads = v }), "the model's");
        AddWord("--target", "What is restored", "Objective.Target", o => o.Objective.Target, Objective<ReconstructionTarget>((r, v) => r with { Target = v }));
        AddWord("--loss-on", "Which patches the loss looks at", "Objective.LossOn", o => o.Objective.LossOn, Objective<LossPlaces>((r, v) => r with { LossOn = v }));
        Add("--init", "M", "Begin from a model's weights: a run directory or a .safetensors file", "Init", o => o.Init, (o, v) => o with { Init = v is null ? null : Path.GetFullPath(v) }, "random weights");
    }

    private void AddTraining()
    {
        Add("--epochs", "N", "Passes over the training pictures", "Training.Epochs", o => o.Training.Epochs, Training<int>((t, v) => t with { Epochs = v }));
        Add("--batch-size", "N", "Pictures a forward pass", "Training.BatchSize", o => o.Training.BatchSize, Training<int>((t, v) => t with { BatchSize = v }));
        Add("--accumulate", "N", "Forward passes an optimiser step", "Training.Accumulate", o => o.Training.Accumulate, Training<int>((t, v) => t with { Accumulate = v }));
        Add("--learning-rate", "RATE", "Base rate, scaled by effective batch / 256", "Training.LearningRate", o => o.Training.LearningRate, Training<double>((t, v) => t with { LearningRate = v }));
        AddWord("--schedule", "How the rate goes on after its warm-up; a run at a constant one has no end that must be known beforehand (see --finish)", "Training.Schedule",
            o => o.Training.Schedule, Training<ScheduleShape>((t, v) => t with { Schedule = v }));
        Add("--warmup-epochs", "N", "Epochs of linear warm-up, fractions allowed", "Training.WarmupEpochs", o => o.Training.WarmupEpochs, Training<double?>((t, v) => t with { WarmupEpochs = v }), "a twentieth of the run");
        Add("--weight-decay", "D", "AdamW's decoupled weight decay", "Training.WeightDecay", o => o.Training.WeightDecay, Training<double>((t, v) => t with { WeightDecay = v }));
        Add("--clip", "NORM", "Largest norm of the gradient", "Training.Clip", o => o.Training.Clip, Training<double?>((t, v) => t with { Clip = v }), "not clipped");
        Add("--average-decay", "D", "Keep an average of the weights, of which each step keeps this share, such as .99; it is what is evaluated and kept", "Training.AverageDecay",
            o => o.Training.AverageDecay, Training<double?>((t, v) => t with { AverageDecay = v }), "no average");
        Add("--seed", "N", "Everything random is a function of this", "Seed", o => o.Seed, (o, v) => o with { Seed = v });
        Add("--device", "D", "auto, cpu, cuda or cuda:N", "Training.Device", o => o.Training.Device, Training<string>((t, v) => t with { Device = v }), mayChange: true);
        AddWord("--precision", "Number format of the step", "Training.Precision", o => o.Training.Precision, Training<Runtime.Precision>((t, v) => t with { Precision = v }), mayChange: true);
        Add("--workers", "N", "Parts of a batch that are computed at once", "Training.Workers", o => o.Training.Workers, Training<int?>((t, v) => t with { Workers = v }), "the cores", mayChange: true);
        Add("--evaluate-every", "N", "Epochs between evaluations", "Training.EvaluateEvery", o => o.Training.EvaluateEvery, Training<int>((t, v) => t with { EvaluateEvery = v }), mayChange: true);
        Add("--evaluate-limit", "N", "Held-out pictures restored in an evaluation", "Training.EvaluateLimit", o => o.Training.EvaluateLimit, Training<int?>((t, v) => t with { EvaluateLimit = v }), "all", mayChange: true);
        Add("--log-steps", "N", "Steps between lines of the log", "Training.LogSteps", o => o.Training.LogSteps, Training<int>((t, v) => t with { LogSteps = v }), mayChange: true);
        Add("--checkpoint-steps", "N", "Steps between checkpoints; one is also written after each epoch", "Training.CheckpointSteps",
            o => o.Training.CheckpointSteps, Training<int>((t, v) => t with { CheckpointSteps = v }), mayChange: true);
        Add("--checkpoint-minutes", "N", "Minutes after which one is written whatever the step", "Training.CheckpointMinutes",
            o => o.Training.CheckpointMinutes, Training<double>((t, v) => t with { CheckpointMinutes = v }), mayChange: true);
    }

    private static Func<PretrainOptions, T, PretrainOptions> Data<T>(Func<DataOptions, T, DataOptions> set) => (o, v) => o with { Data = set(o.Data, v) };

    private static Func<PretrainOptions, T, PretrainOptions> Encoder<T>(Func<EncoderOptions, T, EncoderOptions> set) => (o, v) => o with { Encoder = set(o.Encoder, v) };

    private static Func<PretrainOptions, T, PretrainOptions> Objective<T>(Func<ReconstructionObjectiveOptions, T, ReconstructionObjectiveOptions> set) =>
        (o, v) => o with { Objective = set(o.Objective, v) };

    private static Func<PretrainOptions, T, PretrainOptions> Mask<T>(Func<MaskOptions, T, MaskOptions> set) =>
        Objective<T>((r, v) => r with { Mask = set(r.Mask, v) });

    private static Func<PretrainOptions, T, PretrainOptions> Training<T>(Func<TrainingOptions, T, TrainingOptions> set) =>
        (o, v) => o with { Training = set(o.Training, v) };

    private void Add<T>(
        string name, string placeholder, string description, string path, Func<PretrainOptions, T> get, Func<PretrainOptions, T, PretrainOptions> set,
        string? otherwise = null, bool mayChange = false)
    {
        var standard = otherwise ?? Convert.ToString(get(Defaults), CultureInfo.InvariantCulture);
        var option = CommonOptions.Value<T>(name, placeholder, $"{description} [default: {standard}]");
        settings.Add(new Setting(option, path, (parsed, ground) => set(ground, parsed.GetValue(option)!), mayChange));
    }

    private void AddWord<T>(
        string name, string description, string path, Func<PretrainOptions, T> get, Func<PretrainOptions, T, PretrainOptions> set, bool mayChange = false)
        where T : struct, Enum
    {
        var option = CommonOptions.Words(name, description, get(Defaults));
        settings.Add(new Setting(option, path, (parsed, ground) => set(ground, parsed.GetValue(option)), mayChange));
    }

    private void AddFlag(string name, string description, string path, Func<PretrainOptions, bool, PretrainOptions> set)
    {
        var option = new Option<bool>(name) { Description = description };
        settings.Add(new Setting(option, path, (parsed, ground) => parsed.GetValue(option) ? set(ground, true) : ground, MayChange: false));
    }

    /// <param name="Option">The switch.</param>
    /// <param name="Path">The property that it sets.</param>
    /// <param name="Set">Sets it to what the command line says.</param>
    /// <param name="MayChange">Whether a run may go on with another value.</param>
    private sealed record Setting(Option Option, string Path, Func<ParseResult, PretrainOptions, PretrainOptions> Set, bool MayChange)
    {
        public bool IsGiven(ParseResult parsed) => parsed.GetResult(Option) is { Implicit: false };
    }
}
