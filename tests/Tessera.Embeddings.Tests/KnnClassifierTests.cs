namespace Tessera.Embeddings.Tests;

public sealed class KnnClassifierTests
{
    /// <summary>Bank vectors at angles from the query, so that their cosines are chosen.</summary>
    private static readonly (double Cosine, int Label)[] Bank = [(0.9, 3), (0.8, 1), (0.79, 1), (0.2, 2), (0.1, 0), (0.05, 4), (0.04, 5)];

    [Theory]
    [InlineData(1, 3, 0, false)]
    [InlineData(2, 3, 1, true)]
    [InlineData(3, 1, 3, true)] // e^(.8 / .07) + e^(.79 / .07) are more than e^(.9 / .07) only where the temperature is high
    public void The_Class_With_The_Most_Votes_Wins(int neighbours, int winner, int second, bool secondIsVotedFor)
    {
        var right = Ask(winner, neighbours, temperature: 1);
        (right.Top1.Correct, right.Top5.Correct, right.Top1.Count).ShouldBe((1, 1, 1));
        var wrong = Ask(second, neighbours, temperature: 1);
        (wrong.Top1.Correct, wrong.Top5.Correct).ShouldBe((0, secondIsVotedFor ? 1 : 0));
    }

    [Fact]
    public void A_Low_Temperature_Lets_The_Nearest_Decide()
    {
        // e^(.1 / .01) against e^0 + e^(-.01 / .01)
        Ask(3, neighbours: 3, temperature: 0.01).Top1.Correct.ShouldBe(1);
        Ask(1, neighbours: 3, temperature: 0.01).Top1.Correct.ShouldBe(0);
        Ask(3, neighbours: 7, temperature: 1e-9).Top1.Correct.ShouldBe(1); // nothing overflows
    }

    [Fact]
    public void Top_5_Is_Of_Five_Classes()
    {
        Ask(4, neighbours: 7, temperature: 0.07).Top5.Correct.ShouldBe(1);
        Ask(5, neighbours: 7, temperature: 0.07).Top5.Correct.ShouldBe(0); // the sixth
    }

    [Fact]
    public void One_Search_Gives_What_A_Search_Of_Each_Number_Does_And_What_Voting_By_Hand_Does()
    {
        var random = new Random(5);
        var (queries, bank) = (Draw(60), Draw(300));
        var all = Search(200);

        var grid = KnnClassifier.Evaluate(all, bank.Labels, queries.Labels, KnnClassifier.Grid);

        grid.Select(g => g.Neighbours).ShouldBe([1, 5, 10, 20, 50, 100, 200]);
        foreach (var (neighbours, top1, top5) in grid)
        {
            KnnClassifier.Evaluate(Search(neighbours), bank.Labels, queries.Labels, [neighbours]).ShouldHaveSingleItem().Top1.ShouldBe(top1);
            var ranks = Enumerable.Range(0, 60).Select(q => RankByHand(q, neighbours)).ToList();
            (top1.Correct, top5.Correct).ShouldBe((ranks.Count(r => r == 0), ranks.Count(r => r < 5)));
        }
        grid.Select(g => g.Top1.Correct).Distinct().Count().ShouldBeGreaterThan(1);

        int RankByHand(int query, int neighbours)
        {
            var near = all.Indices(query).ToArray().Zip(all.Similarities(query).ToArray()).Take(neighbours);
            var votes = near.GroupBy(n => bank.Labels[n.First]).OrderByDescending(g => g.Sum(n => Math.Exp(n.Second / 0.07))).Select(g => g.Key).ToList();
            var rank = votes.IndexOf(queries.Labels[query]);
            return rank < 0 ? int.MaxValue : rank;
        }

        Neighbours Search(int count) => NearestNeighbours.Find(queries, bank, count, cancellation: TestContext.Current.CancellationToken);

        LabelledVectors Draw(int count)
        {
            var labels = Enumerable.Range(0, count).Select(_ => random.Next(12)).ToArray();
            return new([.. labels.SelectMany(l => Enumerable.Range(0, 8).Select(d => random.NextSingle() - 0.5f + (d == l % 8 ? 0.3f : 0)))], 8, labels);
        }
    }

    [Fact]
    public void Pictures_Without_A_Label_Neither_Vote_Nor_Ask()
    {
        var bank = new LabelledVectors([1, 0, 1, 0.1f, 1, 0.2f], 2, [-1, 0, 1]);
        var queries = new LabelledVectors([1, 0, 1, 0, 1, 0], 2, [0, -1, 1]);
        var found = NearestNeighbours.Find(queries, bank, 3, cancellation: TestContext.Current.CancellationToken);

        var (one, three) = (KnnClassifier.Evaluate(found, bank.Labels, queries.Labels, [1])[0], KnnClassifier.Evaluate(found, bank.Labels, queries.Labels, [3])[0]);

        one.Top1.ShouldBe(new Accuracy(0, 2)); // the nearest of both says nothing
        three.Top1.ShouldBe(new Accuracy(1, 2));
        three.Top5.ShouldBe(new Accuracy(2, 2));
    }

    [Fact]
    public void Of_Equal_Votes_The_Nearer_Neighbours_Class_Is_First()
    {
        var bank = new LabelledVectors([1, 0, 1, 0], 2, [6, 2]);
        var found = NearestNeighbours.Find(new([1, 0], 2, [6]), bank, 2, cancellation: TestContext.Current.CancellationToken);
        KnnClassifier.Evaluate(found, bank.Labels, [6], [2])[0].Top1.Correct.ShouldBe(1);
        KnnClassifier.Evaluate(found, bank.Labels, [2], [2])[0].Top1.Correct.ShouldBe(0);
    }

    [Fact]
    public void Refuses_Numbers_That_Do_Not_Ascend()
    {
        var vectors = new LabelledVectors([1, 2], 1, [0, 0]);
        var found = NearestNeighbours.Among(vectors, 1, cancellation: TestContext.Current.CancellationToken);
        foreach (var counts in new int[][] { [0], [5, 5], [5, 1] })
            Should.Throw<ArgumentException>(() => KnnClassifier.Evaluate(found, vectors.Labels, vectors.Labels, counts));
    }

    private static KnnAccuracy Ask(int label, int neighbours, double temperature)
    {
        var bank = new LabelledVectors([.. Bank.SelectMany(b => new[] { (float)b.Cosine, (float)Math.Sqrt(1 - b.Cosine * b.Cosine) })], 2, [.. Bank.Select(b => b.Label)]);
        var found = NearestNeighbours.Find(new([1, 0], 2, [label]), bank, 7, cancellation: TestContext.Current.CancellationToken);
        return KnnClassifier.Evaluate(found, bank.Labels, [label], [neighbours], temperature).Single();
    }
}
