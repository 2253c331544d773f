namespace Tessera.Embeddings.Tests;

public sealed class TsneTests
{
    [Fact]
    public void The_Gradient_Is_That_Of_The_Divergence()
    {
        var (vectors, _) = ClustersTests.Blobs(count: 3, of: 7, width: 4);
        var affinities = Affinities(vectors, perplexity: 5);
        var random = new Random(2);
        var places = new Tsne.Plane(vectors.Count);
        for (var i = 0; i < vectors.Count; i++) (places[0][i], places[1][i]) = ((float)random.NextDouble() * 4, (float)random.NextDouble() * 4);
        var gradient = new Tsne.Plane(vectors.Count);

        Tsne.Gradient(affinities, places, 1, gradient);

        const float Step = 1e-2f;
        foreach (var (axis, i) in new[] { (0, 0), (1, 0), (0, 9), (1, 20) })
        {
            var place = places[axis][i];
            places[axis][i] = place + Step;
            var above = Divergence(affinities, places);
            places[axis][i] = place - Step;
            var below = Divergence(affinities, places);
            places[axis][i] = place;
            gradient[axis][i].ShouldBe((float)((above - below) / (2 * Step)), 2e-5f);
        }
    }

    [Fact]
    public void Affinities_Are_Symmetric_Sum_To_One_And_Have_The_Perplexity()
    {
        var vectors = CurationTests.Angles([.. Enumerable.Range(0, 36).Select(i => 10f * i)]); // on a circle all have the same neighbours

        var affinities = Affinities(vectors, perplexity: 6);

        affinities.Sum(row => row.Sum(p => (double)p)).ShouldBe(1, 1e-5);
        for (var i = 0; i < 36; i++)
        {
            affinities[i][i].ShouldBe(0);
            affinities[i][(i + 5) % 36].ShouldBe(affinities[(i + 5) % 36][i]);
            var entropy = affinities[i].Where(p => p > 0).Sum(p => -36.0 * p * Math.Log(36.0 * p));
            Math.Exp(entropy).ShouldBe(6, 1e-3);
        }
    }

    [Fact]
    public void Keeps_Separated_Blobs_Apart_And_Is_The_Same_Each_Time()
    {
        var (vectors, blob) = ClustersTests.Blobs(count: 4, of: 30, width: 8);
        float[] start = [.. Enumerable.Range(0, vectors.Count).SelectMany(i => new[] { vectors[i][0], vectors[i][1] })];

        var map = Map(vectors, start, perplexity: 10);

        map.ShouldAllBe(value => float.IsFinite(value));
        var near = NearestOnTheMap(map);
        Enumerable.Range(0, blob.Length).Count(i => blob[near[i]] == blob[i]).ShouldBe(blob.Length);
        Map(vectors, start, perplexity: 10).ShouldBe(map);
    }

    [Fact]
    public void Says_What_Does_Not_Fit()
    {
        Should.Throw<ArgumentException>(() => Map(CurationTests.Angles(0), [0, 0])).Message.ShouldStartWith("A map takes 2 to 16000 vectors, not 1.");
        Should.Throw<ArgumentException>(() => Map(CurationTests.Angles(0, 1), [0, 0])).Message.ShouldStartWith("2 numbers are not the places of 2 vectors.");
        Should.Throw<ArgumentException>(() => Map(CurationTests.Angles(0, 1), [1, 1, 1, 1])).Message.ShouldStartWith("The places to begin with are all one.");
    }

    private static float[][] Affinities(LabelledVectors vectors, double perplexity) => Tsne.Affinities(vectors, perplexity, TestContext.Current.CancellationToken);

    private static float[] Map(LabelledVectors vectors, float[] start, double perplexity = 30) => Tsne.Map(vectors, start, perplexity, cancellation: TestContext.Current.CancellationToken);

    /// <summary>The Kullback-Leibler divergence (equation 2 of the paper), written out in doubles.</summary>
    private static double Divergence(float[][] affinities, Tsne.Plane places)
    {
        var (count, sum, divergence) = (affinities.Length, 0.0, 0.0);
        for (var i = 0; i < count; i++)
        {
            for (var j = 0; j < count; j++) sum += i == j ? 0 : Weight(i, j);
        }
        for (var i = 0; i < count; i++)
        {
            for (var j = 0; j < count; j++)
            {
                if (i != j && affinities[i][j] > 0) divergence += affinities[i][j] * Math.Log(affinities[i][j] / (Weight(i, j) / sum));
            }
        }
        return divergence;

        double Weight(int i, int j) => 1 / (1 + Math.Pow(places[0][i] - (double)places[0][j], 2) + Math.Pow(places[1][i] - (double)places[1][j], 2));
    }

    private static int[] NearestOnTheMap(float[] map) => [.. Enumerable.Range(0, map.Length / 2).Select(i =>
        Enumerable.Range(0, map.Length / 2).Where(j => j != i).MinBy(j => Math.Pow(map[2 * i] - map[2 * j], 2) + Math.Pow(map[2 * i + 1] - map[2 * j + 1], 2)))];
}
