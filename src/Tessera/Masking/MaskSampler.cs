using Tessera.Imaging;
using Tessera.Models;
using static TorchSharp.torch;

namespace Tessera.Masking;

/// <summary>Draws, for each picture by itself, which patches are hidden and which mask token stands for each.</summary>
public sealed class MaskSampler
{
    private readonly MaskingStrategy strategy;
    private readonly int rows, columns, unitSide, hiddenUnits, maskTokens;
    private readonly ulong seed;

    /// <summary>Prepares masks for a model.</summary>
    /// <param name="options">Ratio, strategy and unit.</param>
    /// <param name="model">The grid of patches, and the size of the set of mask tokens.</param>
    /// <param name="seed">Masks are a function of (seed, epoch, picture's index).</param>
    /// <exception cref="ArgumentException">The options do not fit the pictures; every fault is named.</exception>
    public MaskSampler(MaskOptions options, MaskedAutoencoderOptions model, ulong seed)
    {
        var encoder = model.Encoder;
        var faults = options.Faults(encoder.ImageHeight, encoder.ImageWidth, encoder.PatchSize).ToList();
        if (faults.Count > 0) throw new ArgumentException(string.Join("; ", faults), nameof(options));

        strategy = MaskingStrategy.Named[options.Masking];
        unitSide = (options.Unit ?? encoder.PatchSize) / encoder.PatchSize;
        (rows, columns) = (encoder.GridHeight / unitSide, encoder.GridWidth / unitSide);
        hiddenUnits = Math.Clamp((int)Math.Round(options.Ratio * rows * columns, MidpointRounding.AwayFromZero), 1, rows * columns - 1);
        maskTokens = model.MaskTokens;
        this.seed = seed;
        PatchCount = encoder.PatchCount;
        HiddenCount = hiddenUnits * unitSide * unitSide;
    }

    /// <summary>Patches of a picture, N.</summary>
    public int PatchCount { get; }

    /// <summary>
    /// Hidden patches Nh, the same for every picture: the ratio times the number of units, rounded to the nearest whole number
    /// (halves up), at least one unit and at most all but one.
    /// </summary>
    public int HiddenCount { get; }

    /// <summary>Visible patches Nv = N − Nh.</summary>
    public int VisibleCount => PatchCount - HiddenCount;

    /// <summary>Draws the masks of a batch.</summary>
    /// <param name="pictures">The pictures' indices in their data set.</param>
    /// <param name="epoch">The epoch; evaluation uses 0.</param>
    /// <param name="view">Which view of the pictures, from 0: each has masks of its own.</param>
    /// <returns>A mask on the CPU; the caller disposes it.</returns>
    public PatchMask Draw(ReadOnlySpan<int> pictures, int epoch, int view = 0)
    {
        var visible = new long[pictures.Length * VisibleCount];
        var hidden = new long[pictures.Length * HiddenCount];
        var tokens = new long[hidden.Length];
        for (var i = 0; i < pictures.Length; i++)
        {
            DrawPlaces(pictures[i], epoch, view, visible.AsSpan(i * VisibleCount, VisibleCount), hidden.AsSpan(i * HiddenCount, HiddenCount));
            var random = new CounterRandom(seed, RandomPurpose.MaskTokens, (uint)epoch, (uint)pictures[i], view);
            foreach (ref var token in tokens.AsSpan(i * HiddenCount, HiddenCount)) token = random.NextBelow(maskTokens);
        }
        return new PatchMask(
            tensor(visible, [pictures.Length, VisibleCount]), tensor(hidden, [pictures.Length, HiddenCount]), tensor(tokens, [pictures.Length, HiddenCount]));
    }

    private void DrawPlaces(int picture, int epoch, int view, Span<long> visible, Span<long> hidden)
    {
        Span<bool> units = rows * columns <= 1024 ? stackalloc bool[rows * columns] : new bool[rows * columns];
        units.Clear();
        var random = new CounterRandom(seed, RandomPurpose.Mask, (uint)epoch, (uint)picture, view);
        strategy.Hide(units, rows, columns, hiddenUnits, ref random);

        var (seen, masked, width) = (0, 0, columns * unitSide);
        for (var place = 0; place < PatchCount; place++)
        {
            if (units[place / width / unitSide * columns + place % width / unitSide]) hidden[masked++] = place;
            else visible[seen++] = place;
        }
    }
}

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
