using static TorchSharp.torch;

namespace Tessera.Models;

/// <summary>placeholder</summary>
public static class LayerDecay
{
    /// <summary>placeholder</summary>
    public static ParameterRule RuleOf(string name, Tensor parameter, int depth, double decay, int freeze)
    {
        var layer = name.StartsWith("encoder.blocks.", StringComparison.Ordinal) ? int.Parse(name.Split('.')[2], System.Globalization.CultureInfo.InvariantCulture) + 1
            : name.StartsWith("encoder.norm.", StringComparison.Ordinal) || name.StartsWith("head.", StringComparison.Ordinal) ? depth + 1 : 0;
        return ParameterRule.Of(name, parameter) with { RateScale = Math.Pow(decay, depth + 1 - layer), Trains = freeze == 0 || layer > freeze };
    }
}
