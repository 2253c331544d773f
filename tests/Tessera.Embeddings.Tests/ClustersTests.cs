namespace Tessera.Embeddings.Tests;

public sealed class ClustersTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Finds_Separated_Blobs_Whatever_The_Seed(int seed)
    {
        var (vectors, blob) = Blobs(count: 4, of: 50, width: 8);

        var clusters = Find(vectors, 4, seed);

        clusters.IsSettled.ShouldBeTrue();
        for (var b = 0; b < 4; b++) Enumerable.Range(0, blob.Length).Where(i => blob[i] == b).Select(i => clusters.Of[i]).Distinct().Count().ShouldBe(1);
        clusters.Of.Distinct().Count().ShouldBe(4);
    }

    [Fact]
    public void A_Centre_Is_The_Mean_Direction_Of_Its_Vectors()
    {
        var clusters = Find(CurationTests.Angles(0, 20, 180, 200), 2, seed: 1);

        var first = clusters.Centres[clusters.Of[0]].ToArray();
        first[0].ShouldBe(MathF.Cos(10 * MathF.PI / 180), 1e-6f);
        first[1].ShouldBe(MathF.Sin(10 * MathF.PI / 180), 1e-6f);
        clusters.Similarities[0].ShouldBe(MathF.Cos(10 * MathF.PI / 180), 1e-6f);
        clusters.Members(clusters.Of[2]).ShouldBe([2, 3]);
    }

    [Fact]
    public void Is_The_Same_For_The_Same_Seed()
    {
        var (vectors, _) = Blobs(count: 9, of: 30, width: 5);

        Find(vectors, 20, seed: 7).Of.ShouldBe(Find(vectors, 20, seed: 7).Of);
    }

    [Fact]
    public void Has_No_Empty_Cluster_Where_Vectors_Are_Different()
    {
        Find(CurationTests.Angles(0, 30, 60, 90, 120), 5, seed: 3).Of.Distinct().Count().ShouldBe(5);
        Should.Throw<ArgumentOutOfRangeException>(() => Find(CurationTests.Angles(0, 30), 3, seed: 1));
    }

    [Fact]
    public void Copes_With_Vectors_That_Are_All_Alike_Or_Without_A_Direction()
    {
        Find(new LabelledVectors([1, 1, 1, 1, 1, 1], 2, new int[3]), 2, seed: 1).Of.Count.ShouldBe(3);
        Find(new LabelledVectors([0, 0, 1, 0, 0, 1], 2, new int[3]), 2, seed: 1).Of.Count.ShouldBe(3);
    }

    private static Clusters Find(LabelledVectors vectors, int count, int seed) => Clusters.Find(vectors, count, seed, cancellation: TestContext.Current.CancellationToken);

    internal static (LabelledVectors Vectors, int[] Blob) Blobs(int count, int of, int width)
    {
        var random = new Random(11);
        var (values, blob) = (new float[count * of * width], new int[count * of]);
        var centres = new float[count * width];
        for (var i = 0; i < centres.Length; i++) centres[i] = (float)(random.NextDouble() * 2 - 1);
        for (var row = 0; row < blob.Length; row++)
        {
            blob[row] = row % count;
            for (var d = 0; d < width; d++) values[row * width + d] = centres[blob[row] * width + d] + 0.05f * (float)(random.NextDouble() * 2 - 1);
        }
        return (new LabelledVectors(values, width, blob), blob);
    }
}
