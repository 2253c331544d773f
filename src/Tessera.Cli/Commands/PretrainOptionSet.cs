using System.CommandLine;
using System.Globalization;
using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runs;

namespace Tessera.Cli.Commands;

/// <summary>The options of pretraining on the command line: each is one property of <see cref="PretrainOptions"/>.</summary>
internal sealed class PretrainOptionSet
{
    private static readonly PretrainOptions Defaults = new();
    private readonly List<(Option Option, Func<ParseResult, PretrainOptions, PretrainOptions> Set)> options = [];

    public PretrainOptionSet()
    {
        Add("--data", "SOURCE", "A folder of pictures, a .tessera file, or shapes", o => o.Data, (o, v) => o with { Data = ImageSource.FullName(v) });
        Add("--model", "NAME", string.Join(", ", VisionTransformerPreset.All.Select(p => p.Name)), o => o.Model, (o, v) => o with { Model = v });
        Add("--image-size", "S|HxW", "Size of the pictures in pixels", o => o.ImageSize, (o, v) => o with { ImageSize = v });
        Add("--patch-size", "PIXELS", "Side of a patch", o => o.PatchSize, (o, v) => o with { PatchSize = v });
        Add("--channels", "1|3", "Grey or RGB", o => o.Channels, (o, v) => o with { Channels = v });
        AddWord("--positions", "Position embedding", o => o.Positions, (o, v) => o with { Positions = v });
        AddFlag("--class-token", "Give the encoder a class token", o => o with { ClassToken = true });
        Add("--mask-ratio", "R", "Share of the patches that is hidden", o => o.MaskRatio, (o, v) => o with { MaskRatio = v });
        Add("--masking", "random|block|grid", "How hidden patches are chosen", o => o.Masking, (o, v) => o with { Masking = v });
        Add("--mask-unit", "PIXELS", "Side of the square that is hidden as one", o => o.MaskUnit, (o, v) => o with { MaskUnit = v }, "the patch");
        Add("--mask-tokens", "K", "Size of the set of learnable mask tokens", o => o.MaskTokens, (o, v) => o with { MaskTokens = v });
        AddWord("--placement", "Where mask tokens join: before the encoder, or before the decoder as in MAE", o => o.Placement, (o, v) => o with { Placement = v });
        Add("--decoder-depth", "N", "Decoder blocks", o => o.DecoderDepth, (o, v) => o with { DecoderDepth = v }, "the model's");
        Add("--decoder-width", "N", "Decoder width", o => o.DecoderWidth, (o, v) => o with { DecoderWidth = v }, "the model's");
        Add("--decoder-heads", "N", "Decoder heads", o => o.DecoderHeads, (o, v) => o with { DecoderHeads = v }, "the model's");
        AddWord("--target", "What is restored", o => o.Target, (o, v) => o with { Target = v });
        AddWord("--loss-on", "Which patches the loss looks at", o => o.LossOn, (o, v) => o with { LossOn = v });
        Add("--epochs", "N", "Passes over the training pictures", o => o.Epochs, (o, v) => o with { Epochs = v });
        Add("--batch-size", "N", "Pictures a forward pass", o => o.BatchSize, (o, v) => o with { BatchSize = v });
        Add("--accumulate", "N", "Forward passes an optimiser step", o => o.Accumulate, (o, v) => o with { Accumulate = v });
        Add("--learning-rate", "RATE", "Base rate, scaled by effective batch / 256", o => o.LearningRate, (o, v) => o with { LearningRate = v });
        Add("--weight-decay", "D", "AdamW's decoupled weight decay", o => o.WeightDecay, (o, v) => o with { WeightDecay = v });
        Add("--warmup-epochs", "N", "Epochs of linear warm-up, fractions allowed", o => o.WarmupEpochs, (o, v) => o with { WarmupEpochs = v }, "a twentieth of the run");
        Add("--clip", "NORM", "Largest norm of the gradient", o => o.Clip, (o, v) => o with { Clip = v }, "not clipped");
        Add("--smallest-crop", "SHARE", "Smallest share of a picture that a random crop keeps", o => o.SmallestCrop, (o, v) => o with { SmallestCrop = v });
        AddFlag("--no-flip", "Do not mirror pictures", o => o with { Flip = false });
        Add("--seed", "N", "Everything random is a function of this", o => o.Seed, (o, v) => o with { Seed = v });
        Add("--device", "D", "auto, cpu, cuda or cuda:N", o => o.Device, (o, v) => o with { Device = v });
        AddWord("--precision", "Number format of the step", o => o.Precision, (o, v) => o with { Precision = v });
        AddFlag("--no-pack", "Decode pictures each time they are needed, for a folder too large to pack; a .tessera file of the size is used as it is [default: pack once]", o => o with { NoPack = true });
        AddWord("--data-on-device", "Whether all pictures are put into a GPU's memory", o => o.DataOnDevice, (o, v) => o with { DataOnDevice = v });
        Add("--limit", "N", "A seeded, class-balanced subset of so many training pictures", o => o.Limit, (o, v) => o with { Limit = v }, "all");
        Add("--evaluate-limit", "N", "Held-out pictures restored after each epoch", o => o.EvaluateLimit, (o, v) => o with { EvaluateLimit = v }, "all");
        Add("--log-steps", "N", "Steps between lines of the log", o => o.LogSteps, (o, v) => o with { LogSteps = v });
        Add("--checkpoint-steps", "N", "Steps between checkpoints; one is also written after each epoch", o => o.CheckpointSteps, (o, v) => o with { CheckpointSteps = v });
    }

    public void AddTo(Command command)
    {
        foreach (var (option, _) in options) command.Add(option);
    }

    /// <summary>Whether the command line names the pictures or the model; if neither, the quick start's options are the ground.</summary>
    public bool Names(ParseResult parsed, string name) => options.Any(o => o.Option.Name == name && parsed.GetResult(o.Option) is { Implicit: false });

    /// <summary>The ground, changed by what the command line says.</summary>
    public PretrainOptions Over(PretrainOptions ground, ParseResult parsed) =>
        options.Where(o => IsGiven(o.Option, parsed)).Aggregate(ground, (result, option) => option.Set(parsed, result));

    /// <summary>Refuses options that differ from those a run was begun with.</summary>
    /// <exception cref="UsageException">One does.</exception>
    public void RequireSame(PretrainOptions begun, ParseResult parsed, string folder)
    {
        foreach (var (option, set) in options.Where(o => IsGiven(o.Option, parsed)))
        {
            if (set(parsed, begun) != begun)
                throw new UsageException($"--resume {folder} goes on with the options the run was begun with, and {option.Name} differs from them "
                    + "(see options.json there): leave it out, or begin a new run with --out.");
        }
    }

    private static bool IsGiven(Option option, ParseResult parsed) => parsed.GetResult(option) is { Implicit: false };

    private void Add<T>(
        string name, string placeholder, string description, Func<PretrainOptions, T> get, Func<PretrainOptions, T, PretrainOptions> set, string? otherwise = null)
    {
        var standard = otherwise ?? Convert.ToString(get(Defaults), CultureInfo.InvariantCulture);
        var option = CommonOptions.Value<T>(name, placeholder, $"{description} [default: {standard}]");
        options.Add((option, (parsed, ground) => set(ground, parsed.GetValue(option)!)));
    }

    private void AddWord<T>(
        string name, string description, Func<PretrainOptions, T> get, Func<PretrainOptions, T, PretrainOptions> set) where T : struct, Enum
    {
        var option = new Option<T>(name)
        {
            Description = $"{description} [default: {CommonOptions.Word(get(Defaults))}]",
            HelpName = string.Join('|', Enum.GetValues<T>().Select(v => CommonOptions.Word(v))),
            CustomParser = CommonOptions.Word<T>,
        };
        options.Add((option, (parsed, ground) => set(ground, parsed.GetValue(option))));
    }

    private void AddFlag(string name, string description, Func<PretrainOptions, PretrainOptions> set)
    {
        var option = new Option<bool>(name) { Description = description };
        options.Add((option, (parsed, ground) => parsed.GetValue(option) ? set(ground) : ground));
    }
}
