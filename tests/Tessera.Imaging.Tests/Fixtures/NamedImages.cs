namespace Tessera.Imaging.Tests.Fixtures;

/// <summary>Pictures that have names and labels and no pixels: all that a split asks of them.</summary>
internal sealed class NamedImages(IReadOnlyList<string> names, int[]? labels = null, int? testStart = null) : ImageSet
{
    private readonly int[] labels = labels ?? new int[names.Count];

    public override ImageShape Shape => PictureFolders.Small;

    public override int Count => names.Count;

    public override int TestStart => testStart ?? names.Count;

    public override ReadOnlySpan<int> Labels => labels;

    public override IReadOnlyList<string> ClassTitles => ClassNames;

    public override IReadOnlyList<string> ClassNames => [];

    public override string SourceKind => "named";

    public override string SourceLocation => "names";

    public override string Fingerprint => "names";

    public override IReadOnlyList<double> Mean => [0, 0, 0];

    public override IReadOnlyList<double> StandardDeviation => [1, 1, 1];

    public override IReadOnlyList<BrokenImage> Broken => [];

    public override bool DecodesWhenRead => false;

    /// <summary>Pictures 0 to COUNT - 1, called like those of a folder.</summary>
    public static NamedImages Numbered(int count, int[]? labels = null, int? testStart = null) =>
        new([.. Enumerable.Range(0, count).Select(index => $"{index:D6}.jpg")], labels, testStart);

    public override string Name(int index) => names[index];

    public override void Read(int index, Span<byte> planar) => throw new NotSupportedException("They have no pixels.");

    public override void Dispose()
    {
    }
}
