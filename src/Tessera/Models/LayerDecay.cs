using System.Globalization;
using static TorchSharp.torch;

namespace Tessera.Models;

/// <summary>Layer-wise rates of a classifier that is fine-tuned: the deeper a layer lies below the head, the less it is changed.</summary>
/// <remarks>
/// Clark et al. 2020, ELECTRA (arXiv:2003.10555); for Vision Transformers Bao et al. 2022, BEiT (arXiv:2106.08254), and He et al. 2022, MAE (arXiv:2111.06377), section A.1. There
/// are depth + 2 layers, as theirs are counted: the first makes the tokens, each block is one, and the encoder's norm and the head are the last, whose rate is the step's own.
/// </remarks>
public static class LayerDecay
{
    /// <summary>How a classifier's parameter is trained.</summary>
    /// <param name="name">Its name in a <see cref="Classifier"/>: <c>encoder.blocks.3.norm1.weight</c>.</param>
    /// <param name="parameter">The parameter.</param>
    /// <param name="depth">Blocks of the encoder.</param>
    /// <param name="decay">A layer's rate over that of the layer above it, above 0 and at most 1: all are alike.</param>
    /// <param name="freeze">With n ≥ 1, what makes the tokens and the first n blocks are not trained; 0: all is.</param>
    /// <exception cref="ArgumentException">A classifier of that depth has no such parameter.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The decay is outside its range, or more is frozen than there is.</exception>
    public static ParameterRule RuleOf(string name, Tensor parameter, int depth, double decay, int freeze)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (decay is not (> 0 and <= 1)) throw new ArgumentOutOfRangeException(nameof(decay), decay, "The decay must be above 0 and at most 1.");
        ArgumentOutOfRangeException.ThrowIfNegative(freeze);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(freeze, depth);
        var layer = LayerOf(name, depth);
        return ParameterRule.Of(name, parameter) with { RateScale = Math.Pow(decay, depth + 1 - layer), Trains = freeze == 0 || layer > freeze };
    }

    private static int LayerOf(string name, int depth) => name.Split('.') switch
    {
        ["encoder", "patch_embed" or "cls_token" or "register_tokens" or "pos_embed", ..] => 0,
        ["encoder", "blocks", var number, ..] when int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var block) && block < depth => block + 1,
        ["encoder", "norm", ..] or ["head", ..] => depth + 1,
        _ => throw new ArgumentException($"A classifier of {depth} blocks has no parameter '{name}'.", nameof(name)),
    };
}
