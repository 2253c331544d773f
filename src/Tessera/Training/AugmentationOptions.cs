namespace Tessera.Training;

/// <summary>How training pictures are varied.</summary>
public sealed record AugmentationOptions
{
    /// <summary>Smallest share of the picture that a crop keeps; 1 keeps all. MAE's value.</summary>
    public double SmallestCrop { get; init; } = 0.2;

    /// <summary>Whether every second picture is mirrored.</summary>
    public bool Flip { get; init; } = true;

    /// <summary>Everything that is wrong with these options; empty when they can be used.</summary>
    public IEnumerable<string> Faults()
    {
        if (SmallestCrop is not (> 0 and <= 1)) yield return $"the smallest crop is {SmallestCrop}: it must be above 0 and at most 1";
    }
}
