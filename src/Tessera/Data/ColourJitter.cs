using Tessera.Imaging;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>Random brightness, contrast, saturation and channel gains of whole batches, and now and then grey: one matrix product.</summary>
/// <remarks>
/// <para>Each of them is affine in a pixel's colour, so all together are: x ↦ A x + f (l · m), where m is the picture's mean colour and l weighs
/// the channels as luma does (BT.601). A and f come from four small matrices and are made where they are drawn.</para>
/// <para>What contrast methods vary, to keep a model from telling pictures by their colours (Chen et al. 2020, arXiv:2002.05709, section 3.1);
/// gains stand for hue.</para>
/// </remarks>
/// <param name="strength">1: brightness, contrast and saturation 0.6 to 1.4, gains 0.85 to 1.15. At most <see cref="Strongest"/>.</param>
/// <param name="channels">3, or 1, which has brightness and contrast alone.</param>
/// <param name="seed">The run's.</param>
/// <param name="policy">Says which pictures are grey; null: one in five is.</param>
internal sealed class ColourJitter(double strength, int channels, ulong seed, ThreeAugment? policy = null)
{
    /// <summary>The strength at which a factor could reach zero.</summary>
    public const double Strongest = 2.5;

    private const double Reach = 0.4, GainReach = 0.15, Share = 0.8, GreyShare = 0.2;
    private static readonly float[] Luma = [0.299f, 0.587f, 0.114f];

    /// <summary>Draws what happens to the colours of a batch.</summary>
    /// <returns>(B, C, C + 1), float32, on the CPU: [A | f] of each picture</returns>
    public Tensor Draw(ReadOnlySpan<int> pictures, int epoch, int view)
    {
        var values = new float[pictures.Length * channels * (channels + 1)];
        for (var i = 0; i < pictures.Length; i++)
        {
            var random = new CounterRandom(seed, RandomPurpose.Colour, (uint)epoch, (uint)pictures[i], view);
            Draw(ref random, policy?.IsGrey(pictures[i], epoch, view), values.AsSpan(i * channels * (channels + 1), channels * (channels + 1)));
        }
        return tensor(values, [pictures.Length, channels, channels + 1]);
    }

    /// <summary>Changes colours.</summary>
    /// <param name="pixels">(B, C, H, W), float32, 0 to 255</param>
    /// <param name="draws">As <see cref="Draw(ReadOnlySpan{int}, int, int)"/> gives them.</param>
    /// <param name="constants">Keeps the channels' weights.</param>
    /// <returns>(B, C, H, W), float32, 0 to 255</returns>
    public static Tensor Apply(Tensor pixels, Tensor draws, DeviceConstants constants)
    {
        using var scope = NewDisposeScope();
        var channels = pixels.shape[1];
        var colours = pixels.flatten(2);                                            // (B, C, H·W)
        var mean = colours.mean([2]);                                               // (B, C)
        if (channels == 3) mean = mean.mv(constants.Of(pixels.device, Luma, () => tensor(Luma, device: pixels.device))); // (B)
        var shift = draws.narrow(2, channels, 1) * mean.view(-1, 1, 1);              // (B, C, 1)
        return draws.narrow(2, 0, channels).bmm(colours).PlusInPlace(shift).BetweenInPlace(0, 255).view(pixels.shape).MoveToOuterDisposeScope();
    }

    private void Draw(ref CounterRandom random, bool? shallBeGrey, Span<float> values)
    {
        var applies = random.NextDouble() < Share;
        var oneInFive = random.NextDouble() < GreyShare;
        var isGrey = (shallBeGrey ?? oneInFive) && channels == 3;
        var reach = applies ? strength * Reach : 0;
        var (brightness, contrast, saturation) = (Factor(ref random, reach), Factor(ref random, reach), Factor(ref random, reach));
        Span<double> gains = [1, 1, 1];
        if (channels == 3)
            foreach (ref var gain in gains) gain = Factor(ref random, applies ? strength * GainReach : 0);
        for (var row = 0; row < channels; row++)
        {
            var into = values.Slice(row * (channels + 1), channels + 1);
            for (var column = 0; column < channels; column++)
                into[column] = (float)(brightness * contrast * (isGrey ? Grey(gains, saturation, column) : gains[row] * Saturated(row, column, saturation)));
            into[channels] = (float)(brightness * (1 - contrast) * (isGrey ? Luma[0] * gains[0] + Luma[1] * gains[1] + Luma[2] * gains[2] : gains[row]));
        }

        static double Factor(ref CounterRandom random, double reach) => random.NextDouble(1 - reach, 1 + reach);
    }

    /// <summary>A row of saturation's matrix: s I + (1 - s) 1 lᵀ.</summary>
    private double Saturated(int row, int column, double saturation) =>
        channels == 1 ? 1 : (row == column ? saturation : 0) + (1 - saturation) * Luma[column];

    /// <summary>What grey makes of a column: lᵀ G (s I + (1 - s) 1 lᵀ), the same for every row.</summary>
    private double Grey(ReadOnlySpan<double> gains, double saturation, int column)
    {
        var sum = 0.0;
        for (var row = 0; row < channels; row++) sum += Luma[row] * gains[row] * Saturated(row, column, saturation);
        return sum;
    }
}
