using System.Globalization;
using System.Text.Json.Serialization;
using Tessera.Imaging;

namespace Tessera.Data;

/// <summary>Which pictures, at which size, and how they are kept.</summary>
public sealed record DataOptions
{
    /// <summary>
    /// Where the pictures are: a folder, a .tessera file, tar shards, Parquet files, several of these (<see cref="ImageSource.Join"/>), or <c>shapes</c>, which the
    /// program draws itself.
    /// </summary>
    public string Source { get; init; } = "shapes";

    /// <summary>Size of the pictures in pixels, S or HxW. 64 is Tiny-ImageNet's.</summary>
    public string ImageSize { get; init; } = "64";

    /// <summary>Channels: 3 (RGB) or 1 (grey).</summary>
    public int Channels { get; init; } = 3;

    /// <summary>
    /// Whether pictures are decoded each time they are needed, for a folder too large to pack. Packing is the default: it decodes once, and each
    /// epoch after that costs no decoding. A .tessera file of the right size is used as it is.
    /// </summary>
    public bool NoPack { get; init; }

    /// <summary>Whether all packed pictures are put into a GPU's memory.</summary>
    public DataOnDevice OnDevice { get; init; } = DataOnDevice.Auto;

    /// <summary>A seeded, class-balanced subset of so many training pictures; null: all.</summary>
    public int? Limit { get; init; }

    /// <summary>
    /// Whether the development split, a tenth of the training pictures, is left out of training: choices made on it are then honest, and the
    /// source's own test split is kept for final figures.
    /// </summary>
    public bool HoldOutDevelopment { get; init; }

    /// <summary>Height and width of the pictures.</summary>
    /// <exception cref="FormatException"><see cref="ImageSize"/> is not S or HxW.</exception>
    [JsonIgnore]
    public (int Height, int Width) Size
    {
        get
        {
            var sides = ImageSize.Split('x', 'X').Select(s => int.TryParse(s, NumberStyles.None, CultureInfo.InvariantCulture, out var side) ? side : 0).ToArray();
            return sides switch
            {
                [> 0 and <= ImageShape.LongestSide] => (sides[0], sides[0]),
                [> 0 and <= ImageShape.LongestSide, > 0 and <= ImageShape.LongestSide] => (sides[0], sides[1]),
                _ => throw new FormatException($"the image size is '{ImageSize}': write S or HxW in pixels, each 1 to {ImageShape.LongestSide}, such as 64 or 64x96"),
            };
        }
    }

    /// <summary>The shape that every picture is brought to. Check <see cref="Faults"/> first.</summary>
    [JsonIgnore]
    public ImageShape Shape => new(Channels, Size.Height, Size.Width);

    /// <summary>Everything that is wrong with these options, but for the channels, which are the encoder's matter; empty when pictures can be opened.</summary>
    public IEnumerable<string> Faults()
    {
        if (SizeFault() is { } size) yield return size;
        if (Limit < 1) yield return $"the limit is {Limit}: it must be at least 1";
        if (NoPack && OnDevice == DataOnDevice.Yes) yield return "pictures that are not packed cannot be put on the device: pack them, or leave it to auto";
    }

    /// <summary>What is wrong with <see cref="ImageSize"/>; null: nothing.</summary>
    internal string? SizeFault()
    {
        try
        {
            _ = Size;
            return null;
        }
        catch (FormatException e)
        {
            return e.Message;
        }
    }

    /// <summary>Opens the pictures: packed, now or before, or to be decoded as they are needed.</summary>
    /// <param name="seed">That of the split.</param>
    /// <param name="cacheFolder">Where packed files are kept, and indices of shards that cannot be written beside them.</param>
    /// <param name="progress">Told as pictures are packed or measured, from several threads, one at a time.</param>
    /// <param name="cancellation">Stops that.</param>
    /// <exception cref="ImagingException">The pictures cannot be read or packed.</exception>
    public ImageSet Open(ulong seed, string cacheFolder, IProgress<PackProgress>? progress = null, CancellationToken cancellation = default) => NoPack
        ? StreamedImages.Open(Source, Shape, seed, cacheFolder, progress, cancellation)
        : PackedImages.OpenOrPack(Source, Shape, cacheFolder, progress, cancellation);
}
