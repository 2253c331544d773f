using Tessera.Data;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Runtime;
using Tessera.Training;

namespace Tessera.Runs;

/// <summary>Everything that decides a fine-tuning. The file <c>options.json</c> of a run holds one, resolved.</summary>
public sealed record FinetuneOptions
{
    /// <summary>The version of options that this library reads.</summary>
    public const int CurrentVersion = 1;

    /// <summary>What a run's options say that they are of.</summary>
    public const string JobName = "finetune";

    /// <summary>The version of these options' names and meanings.</summary>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>What these options are of: always <see cref="JobName"/>.</summary>
    public string Job { get; init; } = JobName;

    /// <summary>The model whose encoder becomes a classifier's: a run directory, a file, or the name of a model that ships.</summary>
    public string Model { get; init; } = "";

    /// <summary>Whether the encoder begins with random weights instead: the model says its shape alone. The supervised baseline, by the same recipe.</summary>
    public bool FromScratch { get; init; }

    /// <summary>Which pictures. An image size that is empty is the model's.</summary>
    public DataOptions Data { get; init; } = new() { ImageSize = "" };

    /// <summary>
    /// Whether pictures are kept out of training: a tenth to choose by, and where the source has no test split of its own a twentieth to measure on. Of few
    /// pictures none can be spared, and nothing is measured but on a test split of the source's own.
    /// </summary>
    public bool HoldOut { get; init; } = true;

    /// <summary>How it is taught.</summary>
    public ClassOptions Classes { get; init; } = new();

    /// <summary>How training pictures are varied.</summary>
    public AugmentationOptions Augmentation { get; init; } = new();

    /// <summary>How long and how fast.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <summary>Everything random is a function of this.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Checks all options at once.</summary>
    /// <param name="encoder">The encoder's shape; null: it is not known yet.</param>
    /// <exception cref="OptionsException">Something is wrong; every fault is named.</exception>
    public void Validate(VisionTransformerOptions? encoder = null)
    {
        var faults = Faults(encoder).ToList();
        if (faults.Count > 0) throw new OptionsException(faults);
    }

    private IEnumerable<string> Faults(VisionTransformerOptions? encoder)
    {
        if (Model.Length == 0) yield return "no model is named whose encoder is to be made a classifier of";
        if (FromScratch && Classes.Freeze > 0) yield return $"{Classes.Freeze} blocks are to stay as they are, and they are random: freeze none from scratch";
        IEnumerable<string> ofData = encoder is null && Data.ImageSize.Length == 0 ? [] : Data.Faults();
        foreach (var fault in ofData.Concat(encoder?.Faults() ?? []).Concat(Classes.Faults(encoder)).Concat(Augmentation.Faults()).Concat(Training.Faults())) yield return fault;
    }
}
