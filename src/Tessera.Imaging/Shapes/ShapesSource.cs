using System.Globalization;

namespace Tessera.Imaging.Shapes;

/// <summary>Labelled pictures of shapes over textured grounds, drawn by the program itself: everything runs without a download.</summary>
/// <remarks>A picture is a function of the seed, its split and its index alone: it does not change when there are more of them.</remarks>
internal sealed class ShapesSource : ImageSource
{
    public const string SourceName = "shapes";
    private const int DefaultTrainingCount = 4000;
    private const int MostPictures = 10_000_000;
    private const int DrawingRevision = 1; // counts up whenever the same seed would draw other pixels

    private readonly ulong seed;
    private readonly int trainingCount;

    public ShapesSource(int trainingCount = DefaultTrainingCount, ulong seed = 0)
        : base(SourceName, NameOf(trainingCount), Outline.Names, Outline.Names, List(trainingCount), $"shapes-{DrawingRevision}-{seed}-{trainingCount}")
    {
        this.seed = seed;
        this.trainingCount = trainingCount;
    }

    /// <summary>Understands <c>shapes</c> and <c>shapes:COUNT</c>; anything else is null.</summary>
    /// <exception cref="ImageSourceException">COUNT is not a number, or out of range.</exception>
    public static ShapesSource? TryParse(string source)
    {
        if (source == SourceName)
            return new ShapesSource();
        if (!source.StartsWith(SourceName + ":", StringComparison.Ordinal))
            return null;
        var text = source[(SourceName.Length + 1)..];
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is >= 1 and <= MostPictures)
            return new ShapesSource(count);
        throw new ImageSourceException(
            $"{source}: COUNT must be a whole number from 1 to {MostPictures}, as in shapes:{DefaultTrainingCount}, not \"{text}\".");
    }

    public override void Read(int index, ImageShape shape, Span<byte> planar)
    {
        var entry = Entries[index];
        var place = entry.IsTest ? index - trainingCount : index;
        var random = new CounterRandom(seed, RandomPurpose.Shape, entry.IsTest ? 1u : 0u, (uint)place);
        new Scene(entry.Label, ref random).Draw(shape, planar);
    }

    public override ImageFacts Examine(int index) => new(64, 64, 3, "drawn"); // any size can be drawn; this is the usual one

    private static string NameOf(int trainingCount) => trainingCount == DefaultTrainingCount ? SourceName : $"{SourceName}:{trainingCount}";

    private static ImageEntry[] List(int trainingCount)
    {
        var testCount = Math.Max(1, trainingCount / 10);
        return [.. Split(trainingCount, "train", isTest: false), .. Split(testCount, "test", isTest: true)];
    }

    private static IEnumerable<ImageEntry> Split(int count, string folder, bool isTest) =>
        from index in Enumerable.Range(0, count)
        let label = index % Outline.Names.Length
        select new ImageEntry($"{folder}/{Outline.Names[label]}-{index:D6}", label, isTest);
}
