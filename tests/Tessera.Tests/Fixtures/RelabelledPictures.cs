using Tessera.Imaging;

namespace Tessera.Tests.Fixtures;

/// <summary>A set's pictures with other labels, and classes of other names; the set stays with its owner.</summary>
internal sealed class RelabelledPictures(ImageSet pictures, int[] labels, params string[] classes) : ImageSet
{
    public override ImageShape Shape => pictures.Shape;
    public override int Count => pictures.Count;
    public override int TestStart => pictures.TestStart;
    public override ReadOnlySpan<int> Labels => labels;
    public override IReadOnlyList<string> ClassNames => classes;
    public override IReadOnlyList<string> ClassTitles => classes;
    public override string SourceKind => pictures.SourceKind;
    public override string SourceLocation => pictures.SourceLocation;
    public override string Fingerprint => pictures.Fingerprint;
    public override IReadOnlyList<double> Mean => pictures.Mean;
    public override IReadOnlyList<double> StandardDeviation => pictures.StandardDeviation;
    public override IReadOnlyList<BrokenImage> Broken => pictures.Broken;
    public override bool DecodesWhenRead => pictures.DecodesWhenRead;

    public override string Name(int index) => pictures.Name(index);

    public override void Read(int index, Span<byte> planar) => pictures.Read(index, planar);

    public override void Dispose() { }
}
