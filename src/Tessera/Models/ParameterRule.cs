using static TorchSharp.torch;

namespace Tessera.Models;

/// <summary>How a parameter is trained.</summary>
/// <param name="Decays">Whether weight decay applies.</param>
/// <param name="RateScale">The parameter's learning rate over the step's.</param>
/// <param name="Trains">False: it stays as it is, and no gradient of it is made.</param>
public sealed record ParameterRule(bool Decays, double RateScale = 1, bool Trains = true)
{
    /// <summary>The rule that holds unless an objective has another: matrices decay, and biases, norms, tokens and positions do not.</summary>
    public static ParameterRule Of(string name, Tensor parameter) => new(KindOf(name, parameter) == ParameterKind.Matrix);

    /// <summary>What a parameter is, told by its name in the state dict and its shape.</summary>
    public static ParameterKind KindOf(string name, Tensor parameter) =>
        name.EndsWith("_token", StringComparison.Ordinal) || name.EndsWith("register_tokens", StringComparison.Ordinal) || name.EndsWith("mask_tokens.weight", StringComparison.Ordinal) ? ParameterKind.Token
        : name.EndsWith("pos_embed", StringComparison.Ordinal) ? ParameterKind.Position
        : name == "bias" || name.EndsWith(".bias", StringComparison.Ordinal) ? ParameterKind.Bias
        : name.EndsWith(".gamma", StringComparison.Ordinal) ? ParameterKind.Scale
        : parameter.dim() <= 1 ? ParameterKind.Norm
        : ParameterKind.Matrix;
}

/// <summary>What a parameter is, which decides how its first values are drawn and how it is trained.</summary>
public enum ParameterKind
{
    /// <summary>The weight of a linear layer or a patch projection.</summary>
    Matrix,

    /// <summary>What a layer adds, also a norm.</summary>
    Bias,

    /// <summary>What a norm multiplies by.</summary>
    Norm,

    /// <summary>What a branch of a block is multiplied by.</summary>
    Scale,

    /// <summary>A learned token: class, register or mask.</summary>
    Token,

    /// <summary>A learned position embedding.</summary>
    Position,
}
