namespace Tessera.Training;

/// <summary>AdamW's constants.</summary>
public sealed record AdamWOptions
{
    /// <summary>Decay of the mean of gradients.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the mean of squared gradients. MAE's value; torch's default, .999, forgets too slowly for masked images.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>Added to the root of the second mean.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Decoupled weight decay of matrices.</summary>
    public double WeightDecay { get; init; } = 0.05;
}
