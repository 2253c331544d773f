using System.CommandLine;
using Tessera.Masking;
using Tessera.Runs;
using Tessera.Runtime;
using Tessera.Weights;

namespace Tessera.Cli.Commands;

/// <summary>The options that say how a trained model's pictures are masked; each is the model's own unless it is given.</summary>
internal sealed class MaskOptionSet
{
    private readonly Option<double?> ratio = CommonOptions.Value<double?>("--mask-ratio", "R", "Share of the patches that is hidden [default: the model's]");
    private readonly Option<string?> masking = CommonOptions.Value<string?>("--masking", "random|block|grid", "How hidden patches are chosen [default: the model's]");
    private readonly Option<int?> unit = CommonOptions.Value<int?>("--mask-unit", "PIXELS", "Side of the square that is hidden as one [default: the model's]");
    private readonly Option<ulong?> seed = CommonOptions.Value<ulong?>("--seed", "N", "Which masks are drawn [default: the model's]");

    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { ratio, masking, unit, seed }) command.Add(option);
    }

    /// <summary>The seed that a model's pictures were split with.</summary>
    public static ulong SplitSeed(ModelDescription model) => model.Data?.SplitSeed ?? new PretrainOptions().Seed;

    /// <exception cref="OptionsException">The masks do not fit the model.</exception>
    public MaskSampler Sampler(ParseResult parsed, PretrainedModel model)
    {
        var options = new MaskOptions
        {
            Ratio = parsed.GetValue(ratio) ?? model.Mask.Ratio,
            Masking = parsed.GetValue(masking) ?? model.Mask.Masking,
            Unit = parsed.GetValue(unit) ?? model.Mask.Unit,
        };
        var encoder = model.Description.Encoder;
        var faults = options.Faults(encoder.ImageHeight, encoder.ImageWidth, encoder.PatchSize).ToList();
        if (faults.Count > 0) throw new OptionsException(faults);
        return new MaskSampler(options, model.Model.Options, parsed.GetValue(seed) ?? SplitSeed(model.Description));
    }
}
