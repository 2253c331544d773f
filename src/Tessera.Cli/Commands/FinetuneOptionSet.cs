using Tessera.Objectives;
using Tessera.Runs;
using Tessera.Training;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary>The options of fine-tuning on the command line: each is one property of <see cref="FinetuneOptions"/>.</summary>
internal sealed class FinetuneOptionSet : RunOptionSet<FinetuneOptions>
{
    private const string ByPictures = "by the number of pictures";

    public FinetuneOptionSet() : base(new FinetuneOptions())
    {
        Add("--model", "M", $"{CommonOptions.ModelWords}; from scratch, also an architecture such as vit-tiny", "Model", o => o.Model, (o, v) => o with { Model = ModelFile.FullName(v) }, "none");
        AddFlag("--from-scratch", "Begin with random weights: the same recipe as a baseline", "FromScratch", (o, v) => o with { FromScratch = v });
        AddData(Of("Data", o => o.Data, (o, v) => o with { Data = v }), "the model's");
        AddWord("--hold-out", "Whether pictures are kept out of training: a tenth to choose by, and a twentieth to measure on where there is no test split", "HoldOut",
            o => o.HoldOut ? YesNo.Yes : YesNo.No, (o, v) => o with { HoldOut = v == YesNo.Yes }, $"yes from {FinetuneRecipe.SparingPictures} pictures a class on");
        var classes = Of("Classes", o => o.Classes, (o, v) => o with { Classes = v });
        classes.AddWord("--pool", "What stands for a picture: the mean of its patches, or the class token", nameof(ClassOptions.Pooling), c => c.Pooling, (c, v) => c with { Pooling = v });
        classes.Add("--layer-decay", "D", "How much slower each block learns than the one above it", nameof(ClassOptions.LayerDecay), c => c.LayerDecay, (c, v) => c with { LayerDecay = v }, ".75, and 1 from scratch");
        classes.Add("--freeze", "N", "Leave the first N blocks as they are", nameof(ClassOptions.Freeze), c => c.Freeze, (c, v) => c with { Freeze = v });
        classes.Add("--drop-path", "P", "How often the last block's branches are left out of a picture; earlier ones less", nameof(ClassOptions.DropPath), c => c.DropPath, (c, v) => c with { DropPath = v }, ByPictures);
        classes.Add("--label-smoothing", "S", "Share of a label that is spread over all classes", nameof(ClassOptions.LabelSmoothing), c => c.LabelSmoothing, (c, v) => c with { LabelSmoothing = v }, ByPictures);
        classes.Add("--mixup", "ALPHA", "Mix pictures by mixup; 0: do not", nameof(ClassOptions.Mixup), c => c.Mixup, (c, v) => c with { Mixup = v }, ByPictures);
        classes.Add("--cutmix", "ALPHA", "Mix pictures by CutMix; 0: do not", nameof(ClassOptions.CutMix), c => c.CutMix, (c, v) => c with { CutMix = v }, ByPictures);
        classes.AddFlag("--random-layer", "Begin with a random layer of classes [default: with the best one on the frozen encoder]", nameof(ClassOptions.LayerFirst), (c, v) => c with { LayerFirst = !v });
        classes.AddFlag("--balance", "Let rare classes count as much as frequent ones", nameof(ClassOptions.Balance), (c, v) => c with { Balance = v });
        AddAugmentation(Of("Augmentation", o => o.Augmentation, (o, v) => o with { Augmentation = v }), (ByPictures, ByPictures, ByPictures, ByPictures));
        var training = Of("Training", o => o.Training, (o, v) => o with { Training = v });
        AddLength(training, ByPictures);
        training.Add("--warmup-epochs", "N", "Epochs of linear warm-up, fractions allowed", nameof(TrainingOptions.WarmupEpochs), t => t.WarmupEpochs, (t, v) => t with { WarmupEpochs = v }, "a twentieth of the run");
        Add("--seed", "N", "Everything random is a function of this", "Seed", o => o.Seed, (o, v) => o with { Seed = v });
        AddMachine(training, "named", "so that there are ten");
    }

    private enum YesNo
    {
        Yes,
        No,
    }
}
