using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary>The options of pretraining on the command line: each is one property of <see cref="PretrainOptions"/>.</summary>
internal sealed class PretrainOptionSet
{
    private static readonly PretrainOptions Defaults = new();
    private static readonly Func<PretrainOptions, bool> Always = _ => true;
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

    /// <summary>Whether the command line has that switch.</summary>
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
            if (changed != options && !setting.MayChange(begun))
                throw new UsageException($"--resume {folder} goes on with the options the run was begun with, and {setting.Option.Name} differs from them "
                    + "(see options.json there): leave it out, or begin a new run with --out.");
            options = changed;
        }
        return options;
    }

    /// <summary>The switch that sets an option of the library, by its path; null: none does.</summary>
    public string? Switch(string path) => settings.FirstOrDefault(s => s.Path == path)?.Option.Name;

    /// <summary>The options of the library that switches set, by their paths.</summary>
    public IEnumerable<string> Paths => settings.Select(s => s.Path);

    /// <summary>The words of a command line that says these options: of each that has not its default, and that a switch sets.</summary>
    public IEnumerable<string> SwitchesOf(PretrainOptions options)
    {
        var defaults = Leaves(Defaults).ToDictionary();
        foreach (var (path, value) in Leaves(options).Where(leaf => defaults[leaf.Key] != leaf.Value))
        {
            var setting = settings.FirstOrDefault(s => string.Equals(s.Path, path, StringComparison.OrdinalIgnoreCase)); // JSON's names are in camelCase
            if (setting is null || value == "null") continue;
            yield return setting.Option.Name;
            if (setting.Option.ValueType != typeof(bool)) yield return value;
        }
    }

    /// <summary>Every option by its path, as options.json holds it.</summary>
    private static IEnumerable<KeyValuePair<string, string>> Leaves(PretrainOptions options) => Leaves("", JsonSerializer.SerializeToNode(options, TesseraJson.Options));

    private static IEnumerable<KeyValuePair<string, string>> Leaves(string path, JsonNode? node) => node is JsonObject group
        ? group.SelectMany(member => Leaves($"{path}{(path.Length > 0 ? "." : "")}{member.Key}", member.Value))
        : [new(path, node?.ToString() ?? "null")];

    private void AddData()
    {
        Add("--data", "SOURCE", "A folder of pictures, a .tessera file, or shapes", "Data.Source", o => o.Data.Source, (o, v) => o with { Data = o.Data with { Source = ImageSource.FullName(v) } }, mayChange: Always);
        Add("--image-size", "S|HxW", "Size of the pictures in pixels", "Data.ImageSize", o => o.Data.ImageSize, (o, v) => o with { Data = o.Data with { ImageSize = v } });
        Add("--channels", "1|3", "Grey or RGB", "Data.Channels", o => o.Data.Channels, (o, v) => o with { Data = o.Data with { Channels = v } });
        AddFlag("--no-pack", "Decode pictures each time they are needed, for a folder too large to pack; a .tessera file of the size is used as it is [default: pack once]",
            "Data.NoPack", (o, v) => o with { Data = o.Data with { NoPack = v } });
        AddWord("--data-on-device", "Whether all pictures are put into a GPU's memory", "Data.OnDevice", o => o.Data.OnDevice, (o, v) => o with { Data = o.Data with { OnDevice = v } });
        Add("--limit", "N", "A seeded, class-balanced subset of so many training pictures", "Data.Limit", o => o.Data.Limit, (o, v) => o with { Data = o.Data with { Limit = v } }, "all");
        AddFlag("--hold-out-development", "Leave the development split, a tenth of the training pictures, out of training: for choices to be made on",
            "Data.HoldOutDevelopment", (o, v) => o with { Data = o.Data with { HoldOutDevelopment = v } });
        Add("--smallest-crop", "SHARE", "Smallest share of a picture that a random crop keeps", "Augmentation.SmallestCrop",
            o => o.Augmentation.SmallestCrop, (o, v) => o with { Augmentation = o.Augmentation with { SmallestCrop = v } }, ".2, and .4 with views");
        Add("--colour", "STRENGTH", "How strongly colours vary, with one picture in five made grey; 0: not at all, below 2.5", "Augmentation.Colour",
            o => o.Augmentation.Colour, (o, v) => o with { Augmentation = o.Augmentation with { Colour = v } }, "0, and 1 with views");
        AddFlag("--no-flip", "Do not mirror pictures", "Augmentation.Flip", (o, v) => o with { Augmentation = o.Augmentation with { Flip = !v } });
    }

    private void AddModel()
    {
        Add("--model", "NAME", string.Join(", ", VisionTransformerPreset.All.Select(p => p.Name)), "Encoder.Model", o => o.Encoder.Model, (o, v) => o with { Encoder = o.Encoder with { Model = v } });
        Add("--patch-size", "PIXELS", "Side of a patch", "Encoder.PatchSize", o => o.Encoder.PatchSize, (o, v) => o with { Encoder = o.Encoder with { PatchSize = v } });
        AddWord("--positions", "Position embedding", "Encoder.Positions", o => o.Encoder.Positions, (o, v) => o with { Encoder = o.Encoder with { Positions = v } });
        AddFlag("--class-token", "Give the encoder a class token", "Encoder.ClassToken", (o, v) => o with { Encoder = o.Encoder with { ClassToken = v } });
        Add("--register-tokens", "N", "Learned tokens beside the patches in the encoder's blocks", "Encoder.RegisterTokens", o => o.Encoder.RegisterTokens, (o, v) => o with { Encoder = o.Encoder with { RegisterTokens = v } });
        AddFlag("--layer-scale", "Multiply each branch of the encoder's blocks by learned numbers, as DINOv2 does", "Encoder.LayerScale", (o, v) => o with { Encoder = o.Encoder with { LayerScale = v } });
        Add("--norm-epsilon", "E", "What the norms add to a variance", "Encoder.NormEpsilon", o => o.Encoder.NormEpsilon, (o, v) => o with { Encoder = o.Encoder with { NormEpsilon = v } });
        AddWord("--objective", "What teaches: restoring hidden pixels, telling which views are of one picture, or both in one pass", "Objective.Teaching",
            o => o.Objective.Teaching, (o, v) => o with { Objective = o.Objective with { Teaching = v } });
        AddViews();
        Add("--mask-ratio", "R", "Share of the patches that is hidden", "Objective.Mask.Ratio", o => o.Objective.Mask.Ratio, (o, v) => o with { Objective = o.Objective with { Mask = o.Objective.Mask with { Ratio = v } } });
        Add("--masking", "random|block|grid", "How hidden patches are chosen", "Objective.Mask.Masking", o => o.Objective.Mask.Masking, (o, v) => o with { Objective = o.Objective with { Mask = o.Objective.Mask with { Masking = v } } });
        Add("--mask-unit", "PIXELS", "Side of the square that is hidden as one", "Objective.Mask.Unit", o => o.Objective.Mask.Unit, (o, v) => o with { Objective = o.Objective with { Mask = o.Objective.Mask with { Unit = v } } }, "the patch");
        Add("--mask-tokens", "K", "Size of the set of learnable mask tokens", "Objective.MaskTokens", o => o.Objective.MaskTokens, (o, v) => o with { Objective = o.Objective with { MaskTokens = v } });
        AddWord("--placement", "Where mask tokens join: before the encoder, or before the decoder as in MAE", "Objective.Placement", o => o.Objective.Placement,
            (o, v) => o with { Objective = o.Objective with { Placement = v } });
        Add("--decoder-depth", "N", "Decoder blocks", "Objective.DecoderDepth", o => o.Objective.DecoderDepth, (o, v) => o with { Objective = o.Objective with { DecoderDepth = v } }, "the model's");
        Add("--decoder-width", "N", "Decoder width", "Objective.DecoderWidth", o => o.Objective.DecoderWidth, (o, v) => o with { Objective = o.Objective with { DecoderWidth = v } }, "the model's");
        Add("--decoder-heads", "N", "Decoder heads", "Objective.DecoderHeads", o => o.Objective.DecoderHeads, (o, v) => o with { Objective = o.Objective with { DecoderHeads = v } }, "the model's");
        AddWord("--target", "What is restored", "Objective.Target", o => o.Objective.Target, (o, v) => o with { Objective = o.Objective with { Target = v } });
        AddWord("--loss-on", "Which patches the loss looks at", "Objective.LossOn", o => o.Objective.LossOn, (o, v) => o with { Objective = o.Objective with { LossOn = v } });
        Add("--init", "M", "Begin from a model's weights: a run directory, a .safetensors or PyTorch file, or the name of a model that ships", "Init", o => o.Init, (o, v) => o with { Init = v is null ? null : ModelFile.FullName(v) }, "random weights");
    }

    private void AddViews()
    {
        void View<T>(string name, string placeholder, string description, string property, Func<ViewOptions, T> get, Func<ViewOptions, T, ViewOptions> set) =>
            Add(name, placeholder, description, $"Objective.Views.{property}", o => get(o.Objective.Views), (o, v) => o with { Objective = o.Objective with { Views = set(o.Objective.Views, v) } });

        View("--crops", "N", "Masked views of a picture at its size that are compared", nameof(ViewOptions.Crops), o => o.Crops, (o, v) => o with { Crops = v });
        View("--local-crops", "N", "Further views at half the size, not masked", nameof(ViewOptions.LocalCrops), o => o.LocalCrops, (o, v) => o with { LocalCrops = v });
        View("--temperature", "T", "Temperature of the comparison", nameof(ViewOptions.Temperature), o => o.Temperature, (o, v) => o with { Temperature = v });
        View("--views-weight", "W", "Weight of the comparison beside pixels", nameof(ViewOptions.Weight), o => o.Weight, (o, v) => o with { Weight = v });
    }

    private void AddTraining()
    {
        Add("--epochs", "N", "Passes over the training pictures", "Training.Epochs", o => o.Training.Epochs, (o, v) => o with { Training = o.Training with { Epochs = v } },
            mayChange: begun => begun.Training is { Schedule: ScheduleShape.Constant, CoolDownFrom: null });
        Add("--batch-size", "N", "Pictures a forward pass", "Training.BatchSize", o => o.Training.BatchSize, (o, v) => o with { Training = o.Training with { BatchSize = v } });
        Add("--accumulate", "N", "Forward passes an optimiser step", "Training.Accumulate", o => o.Training.Accumulate, (o, v) => o with { Training = o.Training with { Accumulate = v } });
        Add("--learning-rate", "RATE", "Base rate, scaled by effective batch / 256", "Training.LearningRate", o => o.Training.LearningRate, (o, v) => o with { Training = o.Training with { LearningRate = v } });
        AddWord("--schedule", "How the rate goes on after its warm-up; a run at a constant one has no end that must be known beforehand (see --finish)", "Training.Schedule",
            o => o.Training.Schedule, (o, v) => o with { Training = o.Training with { Schedule = v } });
        Add("--warmup-epochs", "N", "Epochs of linear warm-up, fractions allowed", "Training.WarmupEpochs", o => o.Training.WarmupEpochs, (o, v) => o with { Training = o.Training with { WarmupEpochs = v } }, "a twentieth of the run, at a constant rate at most 1");
        Add("--weight-decay", "D", "AdamW's decoupled weight decay", "Training.WeightDecay", o => o.Training.WeightDecay, (o, v) => o with { Training = o.Training with { WeightDecay = v } });
        Add("--clip", "NORM", "Largest norm of the gradient", "Training.Clip", o => o.Training.Clip, (o, v) => o with { Training = o.Training with { Clip = v } });
        Add("--average-decay", "D", "Keep an average of the weights, of which each step keeps this share, such as .99; it is what is evaluated and kept", "Training.AverageDecay",
            o => o.Training.AverageDecay, (o, v) => o with { Training = o.Training with { AverageDecay = v } }, "no average");
        Add("--seed", "N", "Everything random is a function of this", "Seed", o => o.Seed, (o, v) => o with { Seed = v });
        Add("--device", "D", "auto, cpu, cuda or cuda:N", "Training.Device", o => o.Training.Device, (o, v) => o with { Training = o.Training with { Device = v } }, mayChange: Always);
        AddWord("--precision", "Number format of the step", "Training.Precision", o => o.Training.Precision, (o, v) => o with { Training = o.Training with { Precision = v } }, mayChange: Always);
        Add("--workers", "N", "Parts of a batch that are computed at once", "Training.Workers", o => o.Training.Workers, (o, v) => o with { Training = o.Training with { Workers = v } }, "the cores", mayChange: Always);
        Add("--evaluate-every", "N", "Epochs between evaluations", "Training.EvaluateEvery", o => o.Training.EvaluateEvery, (o, v) => o with { Training = o.Training with { EvaluateEvery = v } }, mayChange: Always);
        Add("--evaluate-limit", "N", "Held-out pictures restored in an evaluation", "Training.EvaluateLimit", o => o.Training.EvaluateLimit, (o, v) => o with { Training = o.Training with { EvaluateLimit = v } }, "all", mayChange: Always);
        Add("--feature-limit", "N", "Development pictures by which an evaluation judges the encoder (k-NN, RankMe); 0 for none", "Training.FeatureLimit",
            o => o.Training.FeatureLimit, (o, v) => o with { Training = o.Training with { FeatureLimit = v } }, mayChange: Always);
        Add("--log-steps", "N", "Steps between lines of the log", "Training.LogSteps", o => o.Training.LogSteps, (o, v) => o with { Training = o.Training with { LogSteps = v } }, mayChange: Always);
        Add("--checkpoint-steps", "N", "Steps between checkpoints; one is also written after each epoch", "Training.CheckpointSteps",
            o => o.Training.CheckpointSteps, (o, v) => o with { Training = o.Training with { CheckpointSteps = v } }, mayChange: Always);
        Add("--checkpoint-minutes", "N", "Minutes after which one is written whatever the step", "Training.CheckpointMinutes",
            o => o.Training.CheckpointMinutes, (o, v) => o with { Training = o.Training with { CheckpointMinutes = v } }, mayChange: Always);
    }

    private void Add<T>(
        string name, string placeholder, string description, string path, Func<PretrainOptions, T> get, Func<PretrainOptions, T, PretrainOptions> set,
        string? otherwise = null, Func<PretrainOptions, bool>? mayChange = null)
    {
        var standard = otherwise ?? Convert.ToString(get(Defaults), CultureInfo.InvariantCulture);
        var option = CommonOptions.Value<T>(name, placeholder, $"{description} [default: {standard}]");
        settings.Add(new Setting(option, path, (parsed, ground) => set(ground, parsed.GetValue(option)!), mayChange ?? (_ => false)));
    }

    private void AddWord<T>(
        string name, string description, string path, Func<PretrainOptions, T> get, Func<PretrainOptions, T, PretrainOptions> set, Func<PretrainOptions, bool>? mayChange = null)
        where T : struct, Enum
    {
        var option = CommonOptions.Words(name, description, get(Defaults));
        settings.Add(new Setting(option, path, (parsed, ground) => set(ground, parsed.GetValue(option)), mayChange ?? (_ => false)));
    }

    private void AddFlag(string name, string description, string path, Func<PretrainOptions, bool, PretrainOptions> set)
    {
        var option = new Option<bool>(name) { Description = description };
        settings.Add(new Setting(option, path, (parsed, ground) => parsed.GetValue(option) ? set(ground, true) : ground, _ => false));
    }

    /// <param name="Option">The switch.</param>
    /// <param name="Path">The property that it sets.</param>
    /// <param name="Set">Sets it to what the command line says.</param>
    /// <param name="MayChange">Whether a run of those options may go on with another value.</param>
    private sealed record Setting(Option Option, string Path, Func<ParseResult, PretrainOptions, PretrainOptions> Set, Func<PretrainOptions, bool> MayChange)
    {
        public bool IsGiven(ParseResult parsed) => parsed.GetResult(Option) is { Implicit: false };
    }
}
