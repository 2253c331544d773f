using Tessera.Data;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Runs;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary>The options of pretraining on the command line: each is one property of <see cref="PretrainOptions"/>.</summary>
internal sealed class PretrainOptionSet : RunOptionSet<PretrainOptions>
{
    public PretrainOptionSet() : base(new PretrainOptions())
    {
        AddPictures();
        AddModel();
        AddTraining();
    }

    private void AddPictures()
    {
        var data = Of("Data", o => o.Data, (o, v) => o with { Data = v });
        AddData(data);
        data.Add("--channels", "1|3", "Grey or RGB", nameof(DataOptions.Channels), d => d.Channels, (d, v) => d with { Channels = v });
        data.AddFlag("--hold-out-development", "Leave the development split, a tenth of the training pictures, out of training: for choices to be made on",
            nameof(DataOptions.HoldOutDevelopment), (d, v) => d with { HoldOutDevelopment = v });
        AddAugmentation(Of("Augmentation", o => o.Augmentation, (o, v) => o with { Augmentation = v }), (".2, and .4 with views", "0, and 1 with views", null, null));
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
        var views = Of("Objective.Views", o => o.Objective.Views, (o, v) => o with { Objective = o.Objective with { Views = v } });
        views.Add("--crops", "N", "Masked views of a picture at its size that are compared", nameof(ViewOptions.Crops), o => o.Crops, (o, v) => o with { Crops = v });
        views.Add("--local-crops", "N", "Further views at half the size, not masked", nameof(ViewOptions.LocalCrops), o => o.LocalCrops, (o, v) => o with { LocalCrops = v });
        views.Add("--temperature", "T", "Temperature of the comparison", nameof(ViewOptions.Temperature), o => o.Temperature, (o, v) => o with { Temperature = v });
        views.Add("--views-weight", "W", "Weight of the comparison beside pixels", nameof(ViewOptions.Weight), o => o.Weight, (o, v) => o with { Weight = v });
    }

    private void AddTraining()
    {
        var training = Of("Training", o => o.Training, (o, v) => o with { Training = v });
        AddLength(training, standard: null, mayLengthen: begun => begun.Training is { Schedule: ScheduleShape.Constant, CoolDownFrom: null });
        training.AddWord("--schedule", "How the rate goes on after its warm-up; a run at a constant one has no end that must be known beforehand (see --finish)",
            nameof(TrainingOptions.Schedule), t => t.Schedule, (t, v) => t with { Schedule = v });
        training.Add("--warmup-epochs", "N", "Epochs of linear warm-up, fractions allowed", nameof(TrainingOptions.WarmupEpochs), t => t.WarmupEpochs, (t, v) => t with { WarmupEpochs = v },
            "a twentieth of the run, at a constant rate at most 1");
        Add("--seed", "N", "Everything random is a function of this", "Seed", o => o.Seed, (o, v) => o with { Seed = v });
        AddMachine(training, "restored");
        training.Add("--feature-limit", "N", "Development pictures by which an evaluation judges the encoder (k-NN, RankMe); 0 for none", nameof(TrainingOptions.FeatureLimit),
            t => t.FeatureLimit, (t, v) => t with { FeatureLimit = v }, mayChange: Always);
    }
}
