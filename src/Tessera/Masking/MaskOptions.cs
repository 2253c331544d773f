namespace Tessera.Masking;

/// <summary>How much of a picture is hidden, and how the hidden places are chosen.</summary>
public sealed record MaskOptions
{
    /// <summary>Share of the patches that is hidden, above 0 and below 1. MAE's optimum is .75.</summary>
    public double Ratio { get; init; } = 0.75;

    /// <summary>The strategy's name: random, block or grid. Random was best in MAE's ablation.</summary>
    public string Masking { get; init; } = "random";

    /// <summary>Side in pixels of the square that is hidden or shown as one (SimMIM's mask patch size); null: the patch.</summary>
    public int? Unit { get; init; }

    /// <summary>Everything that is wrong with these options for pictures of that size; empty when masks can be drawn.</summary>
    public IEnumerable<string> Faults(int imageHeight, int imageWidth, int patchSize)
    {
        if (Ratio is not (> 0 and < 1)) yield return $"the mask ratio is {Ratio}: it must be above 0 and below 1";
        if (!MaskingStrategy.Named.ContainsKey(Masking))
            yield return $"there is no masking '{Masking}': choose {string.Join(", ", MaskingStrategy.Named.Keys)}";
        if (patchSize < 1) yield break;
        var unit = Unit ?? patchSize;
        if (unit < patchSize || unit % patchSize != 0)
            yield return $"the mask unit {unit} must be a multiple of the patch size {patchSize}";
        else if (Unit is not null && (imageHeight % unit != 0 || imageWidth % unit != 0))
            yield return $"the image size {imageHeight}x{imageWidth} must be a multiple of the mask unit {unit}";
        else if (imageHeight <= unit && imageWidth <= unit)
            yield return $"the mask unit {unit} covers the whole picture of {imageHeight}x{imageWidth}: nothing would stay visible";
    }
}
