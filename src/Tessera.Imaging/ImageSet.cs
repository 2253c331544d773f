namespace Tessera.Imaging;

/// <summary>A source's pictures at one shape, by index: all that training and evaluation ask of them, wherever the pixels come from.</summary>
/// <remarks>Reading may happen on many threads at once, and ends with <see cref="Dispose"/>.</remarks>
public abstract class ImageSet : IDisposable
{
    /// <summary>The shape of every picture.</summary>
    public abstract ImageShape Shape { get; }

    /// <summary>All pictures, test split included.</summary>
    public abstract int Count { get; }

    /// <summary>The first test picture; <see cref="Count"/> where the source has no test split.</summary>
    public abstract int TestStart { get; }

    /// <summary>(Count): an index into <see cref="ClassNames"/>, or -1.</summary>
    public abstract ReadOnlySpan<int> Labels { get; }

    /// <summary>A picture's name in its source, see <see cref="ImageEntry.Name"/>: what it is known by, whatever its index.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such picture.</exception>
    public abstract string Name(int index);

    /// <summary>See <see cref="ImageSource.ClassNames"/>.</summary>
    public abstract IReadOnlyList<string> ClassNames { get; }

    /// <summary>See <see cref="ImageSource.ClassTitles"/>.</summary>
    public abstract IReadOnlyList<string> ClassTitles { get; }

    /// <summary>See <see cref="ImageSource.Kind"/>.</summary>
    public abstract string SourceKind { get; }

    /// <summary>See <see cref="ImageSource.Location"/>.</summary>
    public abstract string SourceLocation { get; }

    /// <summary>See <see cref="ImageSource.Fingerprint"/>.</summary>
    public abstract string Fingerprint { get; }

    /// <summary>Per channel over training pictures, on the scale 0 to 1.</summary>
    public abstract IReadOnlyList<double> Mean { get; }

    /// <summary>Per channel over training pictures, of the population, on the scale 0 to 1.</summary>
    public abstract IReadOnlyList<double> StandardDeviation { get; }

    /// <summary>Pictures that could not be read, in the source's order: all of them, or those met so far.</summary>
    public abstract IReadOnlyList<BrokenImage> Broken { get; }

    /// <summary>Whether a picture is decoded each time it is read, which is work for all cores; else reading one copies bytes.</summary>
    public abstract bool DecodesWhenRead { get; }

    /// <summary>The only seed a split may be drawn with; null: any.</summary>
    internal virtual ulong? SplitSeed => null;

    /// <summary>Copies one picture.</summary>
    /// <param name="index">0 to <see cref="Count"/> - 1.</param>
    /// <param name="planar">Receives (C, H, W) bytes; at least <see cref="ImageShape.Pixels"/> long.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such picture.</exception>
    public abstract void Read(int index, Span<byte> planar);

    /// <summary>Lets the pictures go.</summary>
    public abstract void Dispose();
}
