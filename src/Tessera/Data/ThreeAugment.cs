using Tessera.Imaging;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>Makes each picture grey, solarizes it or blurs it: one of the three, with even chances.</summary>
/// <remarks>
/// <para>Touvron et al. 2022, DeiT III (arXiv:2204.07118), section 3.2. Their blur has a deviation of .1 to 2 pixels at 224 pixels; here it is that part of the picture's
/// side at every size, so that a small picture loses no more than a large one. Beyond a picture's edge there is nothing: the kernel is what lies inside, brought to a sum of 1.</para>
/// <para>Grey is the colours' matter (<see cref="ColourJitter"/>), which makes it last: it changes channels apart from each other, and would tint what is grey before.</para>
/// </remarks>
/// <param name="height">Of what comes out.</param>
/// <param name="width">Of what comes out.</param>
/// <param name="seed">The run's.</param>
internal sealed class ThreeAugment(int height, int width, ulong seed)
{
    /// <summary>Values that are drawn for a picture: its blur's deviation in pixels, or 0, and from which value on it is solarized, or beyond all values.</summary>
    public const int Values = 2;

    private const double LeastBlur = 0.1, MostBlur = 2, BlurSide = 224;
    private const float SolarizedFrom = 128, Never = float.PositiveInfinity;

    private enum Change
    {
        Grey,
        Solarize,
        Blur,
    }

    /// <summary>Draws what happens to a batch, but for grey.</summary>
    /// <returns>(B, <see cref="Values"/>), float32, on the CPU</returns>
    public Tensor Draw(ReadOnlySpan<int> pictures, int epoch, int view)
    {
        var values = new float[pictures.Length * Values];
        for (var i = 0; i < pictures.Length; i++)
        {
            var (change, deviation) = Draw(pictures[i], epoch, view);
            values[i * Values] = change == Change.Blur ? (float)(deviation * Math.Sqrt((double)height * width) / BlurSide) : 0;
            values[i * Values + 1] = change == Change.Solarize ? SolarizedFrom : Never;
        }
        return tensor(values, [pictures.Length, Values]);
    }

    /// <summary>Whether a picture is made grey.</summary>
    public bool IsGrey(int picture, int epoch, int view) => Draw(picture, epoch, view).Change == Change.Grey;

    /// <summary>Blurs along one direction, as a matrix for each picture; where the deviation is 0, it is the identity.</summary>
    /// <param name="draws">As <see cref="Draw(ReadOnlySpan{int}, int, int)"/> gives them, on the device.</param>
    /// <param name="size">Pixels in that direction.</param>
    /// <returns>(B, size, size), float32; each row sums to 1</returns>
    public static Tensor BlurMatrix(Tensor draws, int size)
    {
        using var scope = NewDisposeScope();
        var places = HeldNumbers.CountTo(size, draws.device);
        var distance = places.unsqueeze(1) - places.unsqueeze(0);                       // (size, size)
        var deviation = draws.narrow(1, 0, 1).AtLeast(1e-3).unsqueeze(2);               // (B, 1, 1): below this, e^(-1/2σ²) is 0
        var far = distance / deviation;                                                 // (B, size, size)
        var weight = far.mul_(far).Times(-0.5).exp_();
        return (weight / weight.sum(-1, keepdim: true)).MoveToOuterDisposeScope();
    }

    /// <summary>Mirrors bright values, those from 128 on, in the pictures that are solarized: 255 - x.</summary>
    /// <param name="pixels">(B, C, H, W), float32, 0 to 255</param>
    /// <param name="draws">As <see cref="Draw(ReadOnlySpan{int}, int, int)"/> gives them, on the device.</param>
    /// <returns>(B, C, H, W)</returns>
    public static Tensor Solarize(Tensor pixels, Tensor draws)
    {
        using var scope = NewDisposeScope();
        var isBright = pixels.ge(draws.select(1, 1).view(-1, 1, 1, 1));
        return where(isBright, pixels.Times(-1).PlusInPlace(255), pixels).MoveToOuterDisposeScope();
    }

    private (Change Change, double Deviation) Draw(int picture, int epoch, int view)
    {
        var random = new CounterRandom(seed, RandomPurpose.Policy, (uint)epoch, (uint)picture, view);
        return ((Change)random.NextBelow(3), random.NextDouble(LeastBlur, MostBlur));
    }
}
