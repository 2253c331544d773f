using SkiaSharp;
using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Figures;
using Tessera.Tests.Fixtures;

namespace Tessera.Tests.Features;

public sealed class ProjectorFolderTests : IDisposable
{
    private readonly ScratchFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Holds_Vectors_Words_And_Pictures_Row_By_Row()
    {
        var set = new VectorSet(new LabelledVectors([1, 0.5f, -2, 3e-7f, 0, 1], 2, [0, -1, 0]), ["a\tb", "c", "d"], ["cat"]);
        RgbImage[] pictures = [Plain(10), Plain(20), Plain(30)];

        ProjectorFolder.Write(folder.File("projector"), set, row => pictures[row]);

        File.ReadAllText(folder.File("projector/vectors.tsv")).ShouldBe("1\t0.5\n-2\t3E-07\n0\t1\n");
        File.ReadAllText(folder.File("projector/metadata.tsv")).ShouldBe("name\tclass\na b\tcat\nc\t\nd\tcat\n");
        File.ReadAllText(folder.File("projector/projector_config.pbtxt")).ShouldContain("single_image_dim: 4\n    single_image_dim: 4");
        using var sprite = SKBitmap.Decode(folder.File("projector/sprite.png"));
        (sprite.Width, sprite.Height).ShouldBe((8, 8)); // two rows of two
        byte[] greys = [sprite.GetPixel(1, 1).Red, sprite.GetPixel(5, 1).Red, sprite.GetPixel(1, 5).Red, sprite.GetPixel(5, 5).Red];
        greys.ShouldBe([10, 20, 30, 255]);
    }

    [Fact]
    public void Has_No_Headings_Where_There_Is_One_Column()
    {
        ProjectorFolder.Write(folder.File("p"), new VectorSet(new LabelledVectors([1], 1, [-1]), ["a"], []), _ => Plain(1));

        File.ReadAllText(folder.File("p/metadata.tsv")).ShouldBe("a\n");
        Should.Throw<VectorException>(() => ProjectorFolder.Write(folder.File("p"), new VectorSet(new LabelledVectors([], 1, []), [], []), _ => Plain(1)));
    }

    private static RgbImage Plain(byte grey) => new(4, 4, [.. Enumerable.Repeat(grey, 48)]);
}
