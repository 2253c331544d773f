namespace Tessera.Models;

/// <summary>Which encoder is trained: a preset, and what it leaves open.</summary>
public sealed record EncoderOptions
{
    private static readonly VisionTransformerOptions Standard = new();

    /// <summary>A preset's name. Tiny: what a small data set can fill, and a CPU can train.</summary>
    public string Model { get; init; } = "vit-tiny";

    /// <summary>See <see cref="VisionTransformerOptions.PatchSize"/>.</summary>
    public int PatchSize { get; init; } = Standard.PatchSize;

    /// <summary>See <see cref="VisionTransformerOptions.Positions"/>.</summary>
    public PositionEmbedding Positions { get; init; } = Standard.Positions;

    /// <summary>See <see cref="VisionTransformerOptions.ClassToken"/>.</summary>
    public bool ClassToken { get; init; } = Standard.ClassToken;

    /// <summary>See <see cref="VisionTransformerOptions.RegisterTokens"/>.</summary>
    public int RegisterTokens { get; init; } = Standard.RegisterTokens;

    /// <summary>See <see cref="VisionTransformerOptions.LayerScale"/>.</summary>
    public bool LayerScale { get; init; } = Standard.LayerScale;

    /// <summary>See <see cref="VisionTransformerOptions.NormEpsilon"/>.</summary>
    public double NormEpsilon { get; init; } = Standard.NormEpsilon;

    /// <summary>The preset that is named, or null.</summary>
    internal VisionTransformerPreset? Preset => VisionTransformerPreset.Find(Model);

    /// <summary>What is wrong with the preset's name; what else may be wrong shows in the shape's own <see cref="VisionTransformerOptions.Faults"/>.</summary>
    public IEnumerable<string> Faults() => Preset is not null ? []
        : [$"there is no model '{Model}': choose {string.Join(", ", VisionTransformerPreset.All.Select(p => p.Name))}"];

    /// <summary>The encoder's shape for pictures of that size.</summary>
    /// <exception cref="ArgumentException">There is no such preset.</exception>
    public VisionTransformerOptions Shape(int channels, int height, int width)
    {
        var preset = Preset ?? throw new ArgumentException($"there is no model '{Model}'");
        return new VisionTransformerOptions
        {
            Channels = channels,
            ImageHeight = height,
            ImageWidth = width,
            PatchSize = PatchSize,
            Width = preset.Width,
            Depth = preset.Depth,
            Heads = preset.Heads,
            Positions = Positions,
            ClassToken = ClassToken,
            RegisterTokens = RegisterTokens,
            LayerScale = LayerScale,
            NormEpsilon = NormEpsilon,
        };
    }
}
