namespace Tessera.Objectives;

/// <summary>Which views are made of a picture, and how they are compared.</summary>
public sealed record ViewOptions
{
    /// <summary>Global crops, at the picture's size, each masked by itself. Two are compared with each other.</summary>
    public int Crops { get; init; } = 2;

    /// <summary>Local crops, at half the picture's size, of which nothing is hidden.</summary>
    public int LocalCrops { get; init; }

    /// <summary>Temperature τ of the comparison. MoCo v3's.</summary>
    public double Temperature { get; init; } = 0.2;

    /// <summary>The weight of the comparison beside pixels, whose weight is 1. .3 restores .1 dB better and is .8 points of k-NN behind (docs/results.md).</summary>
    public double Weight { get; init; } = 1;

    /// <summary>Everything that is wrong with these options; empty when they can be used.</summary>
    public IEnumerable<string> Faults()
    {
        if (Crops is < 2 or > MostViews) yield return $"the number of crops is {Crops}: it must be at least 2, for there to be something to compare, and at most {MostViews}";
        if (LocalCrops is < 0 or > MostViews) yield return $"the number of local crops is {LocalCrops}: it must be at least 0 and at most {MostViews}";
        if (!(Temperature > 0) || double.IsInfinity(Temperature)) yield return $"the temperature is {Temperature}: it must be above 0";
        if (!(Weight > 0) || double.IsInfinity(Weight)) yield return $"the weight of views is {Weight}: it must be above 0; to leave them out, teach by pixels alone";
    }

    private const int MostViews = 64; // far more than any recipe has, and far fewer than memory ends at
}
