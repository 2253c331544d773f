using Tessera.Data;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Runtime;
using Tessera.Training;

namespace Tessera.Runs;

/// <summary>Everything that decides a pretraining run. The file <c>options.json</c> of a run holds one, resolved.</summary>
public sealed record PretrainOptions
{
    /// <summary>The version of options that this library reads.</summary>
    public const int CurrentVersion = 3;

    /// <summary>The version of these options' names and meanings.</summary>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>Which pictures.</summary>
    public DataOptions Data { get; init; } = new();

    /// <summary>Which encoder.</summary>
    public EncoderOptions Encoder { get; init; } = new();

    /// <summary>What it is taught by.</summary>
    public ObjectiveOptions Objective { get; init; } = new();

    /// <summary>How training pictures are varied.</summary>
    public AugmentationOptions Augmentation { get; init; } = new();

    /// <summary>How long and how fast.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <summary>The model whose weights the run begins from: a run directory, a file, or the name of a model that ships; null: random ones.</summary>
    public string? Init { get; init; }

    /// <summary>Everything random is a function of this.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The model these options ask for. Call <see cref="Validate"/> first.</summary>
    public MaskedAutoencoderOptions ToModel()
    {
        var (height, width) = Data.Size;
        return Objective.Shape(Encoder, Data.Channels, height, width);
    }

    /// <summary>What the gradients of the model take, but for a projector's, in fp32; 0 where there is no such model.</summary>
    internal long GradientBytes() => ModelFaults().Any() || Encoder.Preset is null || Data.SizeFault() is not null ? 0 : TransformerCost.GradientBytes(TransformerCost.Parameters(ToModel()));

    /// <summary>Checks all options at once.</summary>
    /// <exception cref="OptionsException">Something is wrong; every fault is named.</exception>
    public void Validate()
    {
        var faults = Faults().ToList();
        if (faults.Count > 0) throw new OptionsException(faults);
    }

    private IEnumerable<string> Faults() => [.. Data.Faults(), .. Encoder.Faults(), .. ModelFaults(), .. Objective.Views.Faults(), .. Augmentation.Faults(), .. Training.Faults(), .. BatchFaults()];

    private IEnumerable<string> BatchFaults()
    {
        if (Objective.Teaching != Teaching.Pixels && Training.EffectiveBatch == 1) yield return "the batch is 1 picture: its views are compared with those of others, so it must be at least 2";
    }

    private IEnumerable<string> ModelFaults()
    {
        if (Data.SizeFault() is not null || Encoder.Preset is null) return [];
        var (height, width) = Data.Size;
        return ToModel().Faults().Concat(Objective.Mask.Faults(height, width, Encoder.PatchSize));
    }
}
