using System.Text.RegularExpressions;
using Tessera.Masking;
using Tessera.Models;

namespace Tessera.Weights.Layouts;

/// <summary>A model in another project's file, told as ours: which layout it has, what its architecture is, and its tensors under our names.</summary>
/// <remarks>Layout and architecture come from the tensors' names and shapes alone; libtorch is not needed.</remarks>
internal sealed partial class ForeignModel
{
    private readonly TensorSource source;
    private readonly Place place;
    private readonly ImportOptions options;
    private readonly SourceFacts facts;
    private readonly (int Rows, int Columns) sourceGrid;
    private readonly int sourceChannels;
    private readonly int extraRows; // of the table of positions, before the patches'

    private ForeignModel(TensorSource source, ImportOptions options)
    {
        (this.source, this.options) = (source, options);
        place = Place.Find(source, options.Prefix);
        RefuseWhatIsKnownNotToFit();
        facts = SourceFacts.Of(source, place.IsHuggingFace);
        var shape = ArchitectureOf(out sourceGrid);
        sourceChannels = shape.Channels;
        extraRows = (int)Fact("encoder.pos_embed")!.Shape[1] - sourceGrid.Rows * sourceGrid.Columns;
        RequireNothingUnexpected(); // before what the file cannot say: it may be another model's altogether
        Description = Describe(shape);
        RequireFit();
    }

    /// <summary>The model as our own file would describe it.</summary>
    public ModelDescription Description { get; }

    /// <summary>Whose names the file has.</summary>
    public string Layout => place.Layout.Name;

    /// <summary>What of the file is not taken, in words.</summary>
    public List<string> LeftOut { get; } = [];

    /// <summary>What was said of the model by nobody and follows from a convention, or differs from how the original would do it.</summary>
    public List<string> Notes { get; } = [];

    /// <exception cref="ModelFileException">It is no model that is known, does not fit its layout, or does not say what no shape tells.</exception>
    public static ForeignModel Read(TensorSource source, ImportOptions options) => new(source, options);

    /// <summary>A tensor's values under our name, row-major, in the description's shape.</summary>
    public float[] Values(string ours)
    {
        var row = place.Layout.Find(ours)!;
        float[] values = row.Theirs.Any(t => !source.Tensors.ContainsKey(place.NameOf(ours, t))) ? new float[Shapes[ours].Aggregate(1L, (p, s) => p * s)] // biases that are not there
            : [.. row.Theirs.SelectMany(t => source.Values(place.NameOf(ours, t)))];
        if (ModelTensors.IsPositions(ours)) return Positions(values, ours);
        if (ours == "encoder.register_tokens") return WithTheirPositions(values);
        return ours == TensorLayout.Projection ? ChannelsOf(values) : values;
    }

    /// <summary>The type of a tensor in the file.</summary>
    public SafetensorsType TypeOf(string ours) => (Fact(ours) ?? Fact(TensorLayout.Projection)!).Type;

    /// <summary>Our tensors' names and shapes.</summary>
    public IReadOnlyDictionary<string, long[]> Shapes => field ??= ModelTensors.Of(Description).ToDictionary(t => t.Name, t => t.Shape);

    private VisionTransformerOptions ArchitectureOf(out (int, int) grid)
    {
        if (Fact(TensorLayout.Projection)!.Shape is not [var width, var channels, var patch, var across] || patch != across || width is < 1 or > 1 << 20 || channels is < 1 or > 1 << 20 || patch is < 1 or > 1 << 12)
            throw Wrong($"its patch projection is {Quoted.Shape(Fact(TensorLayout.Projection)!.Shape)}, which is no convolution over square patches");
        var fc1 = Fact("encoder.blocks.0.mlp.fc1.weight") ?? throw Wrong("its blocks have no MLP of two layers");
        var hidden = fc1.Shape is [var rows, _] ? rows : 0;
        if (hidden < width || hidden % width != 0) throw Wrong($"its MLP is {hidden} wide, which is no multiple of its width {width}");
        var classToken = Fact("encoder.cls_token") is not null;
        var registerTokens = Fact("encoder.register_tokens")?.Shape is [1, var registers and <= 1024, _] ? (int)registers : 0;
        grid = GridOf(classToken ? 1 : 0, registerTokens, (int)patch);
        return new VisionTransformerOptions
        {
            Channels = (int)channels,
            PatchSize = (int)patch,
            ImageHeight = grid.Item1 * (int)patch,
            ImageWidth = grid.Item2 * (int)patch,
            Width = (int)width,
            Depth = BlocksOf("encoder.blocks"),
            MlpRatio = (int)(hidden / width),
            ClassToken = classToken,
            RegisterTokens = registerTokens,
            LayerScale = Fact("encoder.blocks.0.ls1.gamma") is not null,
        };
    }

    /// <summary>The grid of patches that the positions are for: what the configuration says, or else the square that they fill.</summary>
    /// <remarks>A class token has a row of its own in the table, or none; in timm, registers have rows too, or none of both has.</remarks>
    private (int Rows, int Columns) GridOf(int classTokens, int registerTokens, int patch)
    {
        if (Fact("encoder.pos_embed")?.Shape is not [1, var count and < 1 << 24, _]) throw Wrong("it has no table of positions of the shape [1, places, width]");
        int[] others = place.Layout == TensorLayout.OfTimm ? [classTokens, classTokens + registerTokens, 0] : [classTokens];
        if (facts.Image is { } image && others.Any(extra => image.Height / patch * (image.Width / patch) + extra == count)) return (image.Height / patch, image.Width / patch);
        foreach (var extra in others)
        {
            var side = (int)Math.Sqrt(count - extra);
            if (side > 0 && side * side == count - extra) return (side, side);
        }
        throw Wrong($"its {count} positions fill no square grid, and no configuration tells the pictures' size");
    }

    private ModelDescription Describe(VisionTransformerOptions shape)
    {
        var missing = new List<(string Option, string What)>();
        var heads = options.Heads ?? facts.Heads;
        if (facts.Width is { } width && width != shape.Width) throw Wrong($"what lies beside it, or its arguments, tell of a width of {width}, and its tensors have {shape.Width}");
        if (heads is null) missing.Add(("Import.Heads", $"the number of attention heads{Papers(shape.Width)}"));
        var normalization = options.Normalization ?? facts.Normalization;
        if (normalization is null) missing.Add(("Import.Normalization", "the mean and deviation that its pictures are standardised by"));
        var encoder = Resized(shape with { Heads = heads ?? 1, NormEpsilon = facts.NormEpsilon ?? place.UsualEpsilon });
        var head = DecoderOf(encoder, missing);
        if (missing.Count > 0)
        {
            throw new ModelFileException($"{source.File} is a model of {Layout}'s layout and does not say {string.Join(", nor ", missing.Select(m => m.What))}: say it when it is imported.")
            {
                Options = [.. missing.Select(m => m.Option)],
            };
        }
        if (facts.NormEpsilon is null && place.IsHuggingFace) Notes.Add($"no config.json says the norms' epsilon: {place.UsualEpsilon:g} is taken, as the project has it");
        encoder = encoder with { Positions = PositionsAreSinCos(encoder, head) ? PositionEmbedding.SinCos : PositionEmbedding.Learned };
        var said = facts.Exported;
        var description = new ModelDescription
        {
            Encoder = encoder,
            Normalization = Adapted(normalization!),
            Reconstruction = head,
            Data = said?.Data,
            Training = new Dictionary<string, string>(said?.Training ?? new Dictionary<string, string>()) { ["imported from"] = $"{Path.GetFileName(source.File)}, {Layout}" },
        };
        var faults = description.Faults().ToList();
        return faults.Count == 0 ? description : throw Wrong(string.Join("; ", faults));
    }

    private VisionTransformerOptions Resized(VisionTransformerOptions shape)
    {
        var (height, width) = options.ImageSize is { } side ? (side, side) : (shape.ImageHeight, shape.ImageWidth);
        var resized = shape with { ImageHeight = height, ImageWidth = width, Channels = options.Channels ?? shape.Channels };
        var faults = resized.Faults().ToList();
        if (faults.Count > 0) throw Wrong(string.Join("; ", faults));
        if ((resized.GridHeight, resized.GridWidth) != sourceGrid)
        {
            var departs = place.Layout == TensorLayout.OfDinoV2 || place.Layout == TensorLayout.OfHuggingFaceDinoV2
                ? "; DINOv2's own code differs: without registers it adds .1 to the grid's sides, with registers it smooths where the grid shrinks" : "";
            Notes.Add($"positions are resized from {sourceGrid.Rows}x{sourceGrid.Columns} to {resized.GridHeight}x{resized.GridWidth} patches, bicubic{departs}");
        }
        return resized;
    }

    /// <summary>The decoder, where there is one that can be held exactly.</summary>
    private ReconstructionHead? DecoderOf(VisionTransformerOptions encoder, List<(string, string)> missing)
    {
        if (Fact("decoder_embed.weight") is not { } embed || options.EncoderOnly || BlocksOf("decoder_blocks") == 0) return null;
        var width = embed.Shape is [var wide and <= int.MaxValue, _] ? (int)wide : 0;
        var reason = encoder.Channels != sourceChannels ? $"it restores {sourceChannels} channels"
            : Fact("decoder_blocks.0.mlp.fc1.weight")?.Shape is not [var hidden, _] || hidden != (long)encoder.MlpRatio * width ? "the MLP ratio of its blocks is not the encoder's"
            : null;
        if (reason is not null)
        {
            Notes.Add($"the decoder is left out: {reason}");
            return null;
        }
        var (heads, target) = (options.DecoderHeads ?? facts.DecoderHeads, options.Target ?? facts.Target);
        if (options.DecoderIfSaid && (heads is null || target is null))
        {
            Notes.Add("the decoder is left out: nothing says its number of heads and what it restores");
            return null;
        }
        if (heads is null) missing.Add(("Import.DecoderHeads", "the decoder's number of heads (MAE's have 16)"));
        if (target is null) missing.Add(("Import.Target", "what its decoder restores, pixels or normalised pixels"));
        if (missing.Count > 0) return null;
        if (facts.MaskRatio is null) Notes.Add("the share of patches that was hidden in training is not said: 75 %, as in MAE's paper, is what it is evaluated with unless told otherwise");
        return new ReconstructionHead
        {
            Placement = MaskPlacement.Decoder,
            MaskTokens = 1,
            DecoderWidth = width,
            DecoderDepth = BlocksOf("decoder_blocks"),
            DecoderHeads = heads!.Value,
            Target = target!.Value,
            LossOn = facts.Exported?.Reconstruction?.LossOn ?? LossPlaces.Masked,
            Mask = facts.Exported?.Reconstruction?.Mask ?? new MaskOptions { Ratio = facts.MaskRatio ?? 0.75 },
        };
    }

    private PixelNormalization Adapted(PixelNormalization normalization)
    {
        var channels = options.Channels ?? sourceChannels;
        if (normalization.Mean.Count == channels || normalization.Mean.Count == 0 || normalization.Deviation.Count != normalization.Mean.Count) return normalization;
        if (normalization.Mean.Distinct().Count() > 1 || normalization.Deviation.Distinct().Count() > 1)
            Notes.Add($"mean and deviation are the averages of those of {normalization.Mean.Count} channels");
        return new PixelNormalization([.. Enumerable.Repeat(normalization.Mean.Average(), channels)], [.. Enumerable.Repeat(normalization.Deviation.Average(), channels)]);
    }

    private float[] ChannelsOf(float[] weight)
    {
        var channels = Description.Encoder.Channels;
        if (channels == sourceChannels) return weight;
        int width = Description.Encoder.Width, area = Description.Encoder.PatchSize * Description.Encoder.PatchSize;
        var adapted = new float[width * channels * area];
        for (var i = 0; i < adapted.Length; i++)
        {
            var (row, pixel) = (i / (channels * area), i % area);
            double sum = 0; // to grey: the channels' sum; from grey: each has a third, so that a grey picture gives what it gave
            for (var channel = 0; channel < sourceChannels; channel++) sum += weight[(row * sourceChannels + channel) * area + pixel];
            adapted[i] = (float)(channels == 1 ? sum : sum / channels);
        }
        return adapted;
    }

    /// <summary>A table of positions with a row for the class token, which some layouts leave out, over the description's grid.</summary>
    private float[] Positions(float[] values, string ours)
    {
        var width = (int)Shapes[ours][^1];
        float[] classRow = !Description.Encoder.ClassToken ? [] : extraRows == 0 ? new float[width] : values[..width];
        values = [.. classRow, .. values[^(sourceGrid.Rows * sourceGrid.Columns * width)..]];
        return PositionResizing.Resize(values, sourceGrid, (Description.Encoder.GridHeight, Description.Encoder.GridWidth), width);
    }

    /// <summary>Register tokens, with their rows of timm's table of positions, which this encoder has none for.</summary>
    private float[] WithTheirPositions(float[] registers)
    {
        var classTokens = Description.Encoder.ClassToken ? 1 : 0;
        if (extraRows != Description.Encoder.ExtraTokens || registers.Length == 0) return registers;
        var positions = source.Values(Fact("encoder.pos_embed")!.Name).AsSpan(classTokens * Description.Encoder.Width, registers.Length);
        for (var i = 0; i < registers.Length; i++) registers[i] += positions[i];
        return registers;
    }

    /// <summary>Whether all tables of positions are MAE's sines and cosines, which are made anew, not stored.</summary>
    private bool PositionsAreSinCos(VisionTransformerOptions encoder, ReconstructionHead? head)
    {
        if ((encoder.GridHeight, encoder.GridWidth) != sourceGrid) return false;
        return AreSinCos("encoder.pos_embed", encoder.Width) && (head is null || AreSinCos("decoder_pos_embed", head.DecoderWidth));

        bool AreSinCos(string ours, int width)
        {
            if (width % 4 != 0 || Fact(ours) is not { } fact || fact.Shape is not [1, _, var wide] || wide != width) return false;
            var made = SinCosPositions.Values(sourceGrid.Rows, sourceGrid.Columns, width);
            var values = source.Values(fact.Name);
            var extra = values.Length - made.Length;
            var classRow = extra > 0 && encoder.ClassToken ? width : 0; // what else stands before the patches' has no row here
            return values.AsSpan(0, classRow).IndexOfAnyExcept(0f) < 0 && values.Skip(extra).Zip(made).All(pair => Math.Abs(pair.First - pair.Second) < 1e-5);
        }
    }

    private TensorFact? Fact(string ours) => place.Layout.Find(ours) is { } row ? source.Tensors.GetValueOrDefault(place.NameOf(ours, row.Theirs[0])) : null;

    private int BlocksOf(string blocks)
    {
        var count = 0;
        while (Fact($"{blocks}.{count}.norm1.weight") is not null) count++;
        return count;
    }

    private static string Papers(int width) => VisionTransformerPreset.All.Where(p => p.Name != "vit-micro").FirstOrDefault(p => p.Width == width) is { } preset
        ? $" (the {preset.Name} of the papers, which is as wide, has {preset.Heads})" : "";

    private ModelFileException Wrong(string what) => new($"{source.File} cannot be read as a model of {Layout}'s layout: {what}.");

    [GeneratedRegex(@"(?<=\.)\d+(?=\.)")]
    private static partial Regex BlockNumber { get; }
}
