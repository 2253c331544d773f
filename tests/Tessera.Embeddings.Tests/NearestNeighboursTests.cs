namespace Tessera.Embeddings.Tests;

public sealed class NearestNeighboursTests
{
    [Theory]
    [InlineData(1, 1, 1, 1)]
    [InlineData(7, 50, 3, 5)]
    [InlineData(13, 400, 48, 20)]
    [InlineData(6, 33, 65, 33)]
    [InlineData(20, 70, 2000, 9)]
    public void Finds_What_Sorting_All_Cosines_Finds(int queries, int bank, int width, int count)
    {
        var (asked, known) = (Draw(queries, width, seed: 1), Draw(bank, width, seed: 2));

        var found = NearestNeighbours.Find(asked, known, count, cancellation: TestContext.Current.CancellationToken);

        (found.Queries, found.Count).ShouldBe((queries, count));
        for (var query = 0; query < queries; query++)
        {
            var cosines = Enumerable.Range(0, bank).Select(i => Cosine(asked[query], known[i])).ToArray();
            var nearest = cosines.OrderDescending().Take(count).ToArray();
            found.Indices(query).ToArray().Distinct().Count().ShouldBe(count);
            for (var i = 0; i < count; i++)
            {
                found.Similarities(query)[i].ShouldBe((float)nearest[i], 2e-6f);
                cosines[found.Indices(query)[i]].ShouldBe(nearest[i], 2e-6); // the one that is there, or one as near
            }
        }
    }

    [Fact]
    public void The_Number_Of_Threads_Changes_Nothing()
    {
        var (asked, known) = (Draw(101, 24, seed: 3), Draw(500, 24, seed: 4));
        var once = Everything(asked, known, threads: 1);
        foreach (var threads in new[] { 2, 3, 7, 200 }) Everything(asked, known, threads).ShouldBe(once);

        static List<(int, float)> Everything(LabelledVectors asked, LabelledVectors known, int threads)
        {
            var found = NearestNeighbours.Find(asked, known, 30, isOwn: false, threads, null, TestContext.Current.CancellationToken);
            return [.. Enumerable.Range(0, 101).SelectMany(q => found.Indices(q).ToArray().Zip(found.Similarities(q).ToArray()))];
        }
    }

    [Fact]
    public void Of_Equal_Neighbours_The_Smaller_Index_Comes_First()
    {
        var four = Draw(4, 5, seed: 5);
        var known = new LabelledVectors([.. Enumerable.Repeat(four.Values, 30).SelectMany(v => v)], 5, new int[120]); // each vector 30 times

        var found = NearestNeighbours.Find(four, known, 10, cancellation: TestContext.Current.CancellationToken);

        for (var query = 0; query < 4; query++)
            found.Indices(query).ToArray().ShouldBe(Enumerable.Range(0, 10).Select(i => query + 4 * i));
    }

    [Fact]
    public void Among_Each_Other_No_Vector_Is_Its_Own_Neighbour_But_One_Like_It_Is()
    {
        var vectors = Draw(40, 8, seed: 6);
        vectors[7].CopyTo(vectors.Values.AsSpan(23 * 8));

        var found = NearestNeighbours.Among(vectors, 100, cancellation: TestContext.Current.CancellationToken);

        found.Count.ShouldBe(39);
        for (var query = 0; query < 40; query++)
            found.Indices(query).ToArray().Order().ShouldBe(Enumerable.Range(0, 40).Where(i => i != query));
        (found.Indices(7)[0], found.Indices(23)[0]).ShouldBe((23, 7));
        found.Similarities(7)[0].ShouldBe(1, 1e-6f);
    }

    [Fact]
    public void Length_Does_Not_Matter()
    {
        var (asked, known) = (Draw(9, 6, seed: 7), Draw(60, 6, seed: 8));
        var larger = new LabelledVectors([.. known.Values.Select((v, i) => v * (1 << i / 6 % 5))], 6, new int[60]); // by powers of 2, so that nothing is rounded

        var (before, after) = (Find(asked, known), Find(asked, larger));

        for (var query = 0; query < 9; query++) after.Indices(query).ToArray().ShouldBe(before.Indices(query).ToArray());

        static Neighbours Find(LabelledVectors asked, LabelledVectors known) =>
            NearestNeighbours.Find(asked, known, 12, cancellation: TestContext.Current.CancellationToken);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(1e30f)] // its square is infinite
    public void A_Vector_Without_A_Direction_Is_Near_To_None(float value)
    {
        float[] directions = [1, 0, 0, 1, value, value, -1, 0];
        var vectors = new LabelledVectors(directions, 2, [0, 1, 2, 3]);

        var found = NearestNeighbours.Among(vectors, 3, cancellation: TestContext.Current.CancellationToken);

        found.Indices(0).ToArray().ShouldBe([1, 2, 3]);
        found.Similarities(0).ToArray().ShouldBe([0f, 0, -1]);
        found.Indices(2).ToArray().ShouldBe([0, 1, 3]);
        found.Similarities(2).ToArray().ShouldBe([0f, 0, 0]);
    }

    [Fact]
    public void Says_How_Far_It_Is_And_Ends_Early_When_Asked()
    {
        var told = new List<int>();
        NearestNeighbours.Find(Draw(50, 4, seed: 1), Draw(60, 4, seed: 2), 3, isOwn: false, threads: 1, new Relay(told), TestContext.Current.CancellationToken);
        told[^1].ShouldBe(50);
        Should.Throw<OperationCanceledException>(() =>
            NearestNeighbours.Find(Draw(5, 4, seed: 1), Draw(6, 4, seed: 2), 3, cancellation: new CancellationToken(canceled: true)));
    }

    [Fact]
    public void Refuses_Vectors_Of_Another_Width() =>
        Should.Throw<ArgumentException>(() => NearestNeighbours.Find(Draw(5, 4, seed: 1), Draw(6, 5, seed: 2), 3, cancellation: TestContext.Current.CancellationToken))
            .Message.ShouldStartWith("Queries of 4 values have no neighbours among vectors of 5.");

    private static LabelledVectors Draw(int count, int width, int seed)
    {
        var random = new Random(seed);
        return new([.. Enumerable.Range(0, count * width).Select(_ => random.NextSingle() - 0.5f)], width, new int[count]);
    }

    private static double Cosine(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var (product, first, second) = (0.0, 0.0, 0.0);
        for (var i = 0; i < a.Length; i++)
        {
            product += (double)a[i] * b[i];
            first += (double)a[i] * a[i];
            second += (double)b[i] * b[i];
        }
        return product / Math.Sqrt(first * second);
    }

    private sealed class Relay(List<int> told) : IProgress<int>
    {
        public void Report(int value) => told.Add(value);
    }
}
