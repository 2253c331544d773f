using Tessera.Data;
using Tessera.Models;
using Tessera.Objectives;
using Tessera.Runs;
using Tessera.Training;

namespace Tessera.Tests.Fixtures;

/// <summary>The same options but for something in one of their groups.</summary>
internal static class OptionChanges
{
    public static PretrainOptions WithData(this PretrainOptions options, Func<DataOptions, DataOptions> change) =>
        options with { Data = change(options.Data) };

    public static PretrainOptions WithEncoder(this PretrainOptions options, Func<EncoderOptions, EncoderOptions> change) =>
        options with { Encoder = change(options.Encoder) };

    public static PretrainOptions WithObjective(this PretrainOptions options, Func<ObjectiveOptions, ObjectiveOptions> change) =>
        options with { Objective = change(options.Objective) };

    public static PretrainOptions WithAugmentation(this PretrainOptions options, Func<AugmentationOptions, AugmentationOptions> change) =>
        options with { Augmentation = change(options.Augmentation) };

    public static PretrainOptions WithTraining(this PretrainOptions options, Func<TrainingOptions, TrainingOptions> change) =>
        options with { Training = change(options.Training) };
}
