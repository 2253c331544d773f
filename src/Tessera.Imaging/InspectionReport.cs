namespace Tessera.Imaging;

/// <summary>What a source holds. Every count is of sound pictures; broken ones are listed.</summary>
public sealed record InspectionReport
{
    /// <summary>See <see cref="ImageSource.Kind"/>.</summary>
    public required string Kind { get; init; }

    /// <summary>See <see cref="ImageSource.Location"/>.</summary>
    public required string Location { get; init; }

    /// <summary>See <see cref="ImageSource.Fingerprint"/>.</summary>
    public required string Fingerprint { get; init; }

    /// <summary>Pictures to train on.</summary>
    public required int Training { get; init; }

    /// <summary>Pictures in the source's own test split.</summary>
    public required int Test { get; init; }

    /// <summary>Pictures without a label.</summary>
    public required int Unlabelled { get; init; }

    /// <summary>By label; empty when nothing is labelled.</summary>
    public required IReadOnlyList<ClassCount> Classes { get; init; }

    /// <summary>The class with the fewest training pictures; null when nothing is labelled.</summary>
    public ClassCount? SmallestClass => Classes.MinBy(one => one.Training);

    /// <summary>The class with the most training pictures; null when nothing is labelled.</summary>
    public ClassCount? LargestClass => Classes.MaxBy(one => one.Training);

    /// <summary>Before resizing; null when every picture is broken.</summary>
    public required SizeRange? Width { get; init; }

    /// <summary>Before resizing; null when every picture is broken.</summary>
    public required SizeRange? Height { get; init; }

    /// <summary>Pictures by their number of channels: 1 grey, 3 colour, 4 with transparency.</summary>
    public required IReadOnlyDictionary<int, int> Channels { get; init; }

    /// <summary>Pictures by encoding: <c>JPEG</c>, <c>PNG</c>, …</summary>
    public required IReadOnlyDictionary<string, int> Formats { get; init; }

    /// <summary>Pictures that cannot be read, in the source's order.</summary>
    public required IReadOnlyList<BrokenImage> Broken { get; init; }
}
