using Tessera.Imaging;
using Tessera.Models;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Data;

/// <summary>Random resized crop, flip and colours of whole batches, as three matrix products; and a policy and what is erased.</summary>
/// <remarks>
/// Crops are drawn as in Inception (Szegedy et al. 2015, arXiv:1409.4842): area in [smallest, largest], aspect in [3/4, 4/3] times the
/// picture's own, so that no picture is stretched by more. Resizing is linear and separable, so a crop is one small matrix a picture and direction; it widens its window when it shrinks, against
/// aliasing. A flip reverses the columns of the horizontal one.
/// </remarks>
public sealed class Augmentation
{
    /// <summary>Values that describe one crop: top, left, height, width in pixels, and 1 for a flip.</summary>
    public const int CropValues = 5;

    private readonly int height, width; // of the pictures
    private readonly int cutHeight, cutWidth; // of what comes out
    private readonly double smallest, largest;
    private readonly bool flips;
    private readonly ColourJitter? colours;
    private readonly ThreeAugment? policy;
    private readonly RandomErasing? erasing;
    private readonly ulong seed;

    /// <summary>Crops that are brought to the pictures' size.</summary>
    /// <param name="options">How they vary.</param>
    /// <param name="height">Height of the pictures.</param>
    /// <param name="width">Width of the pictures.</param>
    /// <param name="seed">The run's.</param>
    /// <param name="channels">3 or 1.</param>
    public Augmentation(AugmentationOptions options, int height, int width, ulong seed, int channels = 3)
        : this(options, (height, width), (height, width), options.Smallest, largest: 1, seed, channels) { }

    private Augmentation(
        AugmentationOptions options, (int Height, int Width) picture, (int Height, int Width) cut, double smallest, double largest, ulong seed, int channels)
    {
        ((height, width), (cutHeight, cutWidth)) = (picture, cut);
        (this.smallest, this.largest, this.seed) = (smallest, largest, seed);
        flips = options.Flip;
        policy = options.Policy == AugmentationPolicy.ThreeAugment ? new ThreeAugment(cutHeight, cutWidth, seed) : null;
        colours = options.Strength > 0 || policy is not null ? new ColourJitter(options.Strength, channels, seed, policy) : null;
        erasing = options.Erasing > 0 ? new RandomErasing(options.Erasing, cutHeight, cutWidth, seed) : null;
    }

    /// <summary>Local crops: a small part of each picture, at less than its size (Caron et al. 2020, arXiv:2006.09882, section 3.3).</summary>
    /// <param name="options">How they vary but for their share of the picture, which is .1 to .4.</param>
    /// <param name="picture">The pictures' shape.</param>
    /// <param name="height">Height of the crops.</param>
    /// <param name="width">Width of the crops.</param>
    /// <param name="seed">The run's.</param>
    public static Augmentation Local(AugmentationOptions options, ImageShape picture, int height, int width, ulong seed) =>
        new(options, (picture.Height, picture.Width), (height, width), smallest: 0.1, largest: 0.4, seed, picture.Channels);

    /// <summary>Whether what comes out is of the pictures' size.</summary>
    internal bool KeepsSize => (height, width) == (cutHeight, cutWidth);

    private const int Attempts = 10;
    private static readonly double LogAspect = Math.Log(4.0 / 3);

    /// <summary>Draws the crops of a batch.</summary>
    /// <param name="pictures">The pictures' indices in their data set.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="view">Which view of the pictures, from 0.</param>
    /// <returns>(B, <see cref="CropValues"/>), float32, on the CPU</returns>
    public Tensor Draw(ReadOnlySpan<int> pictures, int epoch, int view = 0)
    {
        var crops = new float[pictures.Length * CropValues];
        for (var i = 0; i < pictures.Length; i++)
        {
            var random = new CounterRandom(seed, RandomPurpose.Augmentation, (uint)epoch, (uint)pictures[i], view);
            var flip = flips && random.NextDouble() < 0.5;
            var (top, left, cropHeight, cropWidth) = DrawCrop(ref random);
            ((ReadOnlySpan<float>)[top, left, cropHeight, cropWidth, flip ? 1 : 0]).CopyTo(crops.AsSpan(i * CropValues, CropValues));
        }
        return tensor(crops, [pictures.Length, CropValues]);
    }

    /// <summary>Draws what happens to the colours of a batch.</summary>
    /// <returns>(B, C, C + 1), float32, on the CPU; null where colours stay</returns>
    public Tensor? DrawColours(ReadOnlySpan<int> pictures, int epoch, int view = 0) => colours?.Draw(pictures, epoch, view);

    /// <summary>Draws which change of the policy each picture gets, but for grey, which is among the colours.</summary>
    /// <returns>(B, 2), float32, on the CPU: a blur's deviation in pixels, and from which value on pixels are mirrored; null where there is no policy</returns>
    public Tensor? DrawPolicy(ReadOnlySpan<int> pictures, int epoch, int view = 0) => policy?.Draw(pictures, epoch, view);

    /// <summary>Draws what is erased of each picture.</summary>
    /// <returns>(B, 4), float32, on the CPU: top, left, height and width of a rectangle, of no area where nothing is; null where nothing ever is</returns>
    public Tensor? DrawErased(ReadOnlySpan<int> pictures, int epoch, int view = 0) => erasing?.Draw(pictures, epoch, view);

    /// <summary>All draws of one view of a batch, with a mask that was drawn elsewhere.</summary>
    internal ViewDraw DrawView(ReadOnlySpan<int> pictures, int epoch, int view, PatchMask? mask) => new(
        Draw(pictures, epoch, view), DrawColours(pictures, epoch, view), mask, DrawPolicy(pictures, epoch, view), DrawErased(pictures, epoch, view));

    /// <summary>Cuts the crops out, brings them to their size, changes them by the policy, and then their colours. Nothing is erased yet.</summary>
    /// <param name="images">(B, C, H, W), uint8</param>
    /// <param name="crops">(B, 5), float32</param>
    /// <param name="colours">(B, C, C + 1), float32; null: they stay.</param>
    /// <param name="policy">(B, 2), float32; null: none.</param>
    /// <returns>(B, C, h, w), float32, 0 to 255</returns>
    public Tensor Apply(Tensor images, Tensor crops, Tensor? colours = null, Tensor? policy = null)
    {
        using var constants = new DeviceConstants();
        return Apply(images, crops, colours, policy, constants);
    }

    /// <summary>The same with constants that the caller keeps.</summary>
    internal Tensor Apply(Tensor images, Tensor crops, Tensor? colours, Tensor? policy, DeviceConstants constants)
    {
        using var scope = NewDisposeScope();
        var (batch, channels) = (images.shape[0], images.shape[1]);
        var vertical = ResizeMatrix(crops.select(1, 0), crops.select(1, 2), height, cutHeight, flip: null, constants);               // (B, h, H)
        var horizontal = ResizeMatrix(crops.select(1, 1), crops.select(1, 3), width, cutWidth, flip: crops.select(1, 4), constants); // (B, w, W)
        if (policy is not null)
        {
            vertical = ThreeAugment.BlurMatrix(policy, cutHeight).bmm(vertical);
            horizontal = ThreeAugment.BlurMatrix(policy, cutWidth).bmm(horizontal);
        }
        var rows = images.to(ScalarType.Float32).view(batch, channels * height, width).bmm(horizontal.transpose(1, 2)); // (B, C·H, w)
        var ofChannels = vertical.unsqueeze(1).expand(batch, channels, cutHeight, height).reshape(batch * channels, cutHeight, height); // (B·C, h, H)
        var cut = ofChannels.bmm(rows.view(batch * channels, height, cutWidth)).view(batch, channels, cutHeight, cutWidth); // (B, C, h, w)
        if (policy is not null) cut = ThreeAugment.Solarize(cut, policy);
        return (colours is null ? cut : ColourJitter.Apply(cut, colours, constants)).MoveToOuterDisposeScope();
    }

    private (float Top, float Left, float Height, float Width) DrawCrop(ref CounterRandom random)
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var area = height * width * random.NextDouble(smallest, largest);
            var aspect = Math.Exp((2 * random.NextDouble() - 1) * LogAspect) * ((double)width / height);
            var (cropHeight, cropWidth) = ((int)Math.Round(Math.Sqrt(area / aspect)), (int)Math.Round(Math.Sqrt(area * aspect)));
            if (cropHeight < 1 || cropWidth < 1 || cropHeight > height || cropWidth > width) continue;
            return (random.NextBelow(height - cropHeight + 1), random.NextBelow(width - cropWidth + 1), cropHeight, cropWidth);
        }
        return (0, 0, height, width);
    }

    /// <returns>(B, size, source): how much of each source pixel goes into each output pixel; each row sums to 1.</returns>
    private static Tensor ResizeMatrix(Tensor start, Tensor length, int source, int size, Tensor? flip, DeviceConstants constants)
    {
        using var scope = NewDisposeScope();
        var centres = Centres(source);                                                  // (source)
        var output = Centres(size).unsqueeze(0);                                        // (1, size)
        if (flip is not null) output = output.Plus(flip.unsqueeze(1) * output.Times(-2).Plus(size)); // (B, size)
        var scale = length.Times(1.0 / size).unsqueeze(1);                              // (B, 1)
        var centre = start.unsqueeze(1).Plus(output * scale);                           // (B, size): in the source
        var reach = scale.AtLeast(1).unsqueeze(2);                                      // (B, 1, 1)
        var weight = (centre.unsqueeze(2) - centres).abs_().div_(reach).neg_().PlusInPlace(1).relu_(); // (B, size, source)
        return (weight / weight.sum(-1, keepdim: true)).MoveToOuterDisposeScope();

        Tensor Centres(int count) => constants.Of(start.device, (nameof(Centres), count), () => HeldNumbers.CountTo(count, start.device).PlusInPlace(0.5)); // where pixels' centres lie
    }
}

/// <summary>How training pictures are varied.</summary>
public sealed record AugmentationOptions
{
    /// <summary>Smallest share of the picture that a crop keeps; 1 keeps all. Null: .2, MAE's, for pixels alone, and .4 where views are compared.</summary>
    public double? SmallestCrop { get; init; }

    /// <summary>Whether every second picture is mirrored.</summary>
    public bool Flip { get; init; } = true;

    /// <summary>
    /// How strongly brightness, contrast, saturation and the channels' gains vary; 1: by 40 % and 15 %, and one picture in five is made grey; 0: nothing of it. Null: 0 for pixels alone, whose
    /// colours are to be restored, and 1 where views are compared, which colours would give away.
    /// </summary>
    public double? Colour { get; init; }

    /// <summary>What else is done to each picture.</summary>
    public AugmentationPolicy Policy { get; init; } = AugmentationPolicy.None;

    /// <summary>How often a rectangle of a picture, .02 to .33 of it, becomes the mean colour (Zhong et al. 2017, arXiv:1708.04896).</summary>
    public double Erasing { get; init; }

    internal double Smallest => SmallestCrop ?? 0.2;

    internal double Strength => Colour ?? 0;

    /// <summary>The same, where views of a picture are compared.</summary>
    internal AugmentationOptions OfViews() => this with { SmallestCrop = SmallestCrop ?? 0.4, Colour = Colour ?? 1 };

    /// <summary>Everything that is wrong with these options; empty when they can be used.</summary>
    public IEnumerable<string> Faults()
    {
        if (!(Strength >= 0 && Strength < ColourJitter.Strongest)) yield return $"the colour strength is {Colour}: it must be at least 0 and below {ColourJitter.Strongest}";
        if (!Enum.IsDefined(Policy)) yield return $"there is no augmentation policy {Policy}";
        if (Erasing is not (>= 0 and <= 1)) yield return $"the probability of erasing is {Erasing}: it must be from 0 to 1";
        if (Smallest is not (> 0 and <= 1)) yield return $"the smallest crop is {SmallestCrop}: it must be above 0 and at most 1";
    }
}

/// <summary>Changes of which each picture gets one.</summary>
public enum AugmentationPolicy
{
    /// <summary>None.</summary>
    None,

    /// <summary>
    /// Grey, solarized or blurred, with even chances, before colours vary (Touvron et al. 2022, DeiT III, arXiv:2204.07118). One picture in five is then no longer grey besides.
    /// A colour strength of .75 varies brightness, contrast and saturation as theirs, by 30 %.
    /// </summary>
    ThreeAugment,
}
