namespace Tessera.Embeddings.Tests;

public sealed class CurationTests
{
    [Fact]
    public void Outliers_Are_Ranked_By_The_Distance_To_Their_Kth_Neighbour()
    {
        var vectors = Angles(0, 10, 21, 33, 90);

        var ranked = Outliers.Rank(Among(vectors, 2), neighbours: 2);

        ranked.Select(o => o.Row).ShouldBe([4, 3, 0, 2, 1]);
        float[] degrees = [69, 23, 21, 12, 11];
        foreach (var (outlier, angle) in ranked.Zip(degrees)) outlier.Distance.ShouldBe(1 - MathF.Cos(angle * MathF.PI / 180), 1e-6f);
    }

    [Fact]
    public void Two_That_Are_Alike_Do_Not_Hide_Each_Other() =>
        Outliers.Rank(Among(Angles(0, 1, 2, 3, 4, 120, 120), 3), neighbours: 3).Take(2).Select(o => o.Row).ShouldBe([5, 6]);

    [Fact]
    public void Near_Duplicates_Are_Grouped_Through_Links()
    {
        var found = NearDuplicates.Find(Among(Angles(0, 50, 1, 2, 51, 100), 1), threshold: Math.Cos(1.5 * Math.PI / 180));

        found.Groups.Select(g => string.Join(' ', g.Rows)).ShouldBe(["0 2 3", "1 4"]);
        found.Groups[0].Similarity.ShouldBe(MathF.Cos(MathF.PI / 180), 1e-6f);
    }

    [Fact]
    public void The_Threshold_Is_The_Far_Fence_Of_The_Distances()
    {
        // Nearest distances 1 - cos of 1, 2, 4, 8 degrees, twice each: quartiles and fence by hand.
        var vectors = Angles(0, 1, 20, 22, 50, 54, 100, 108);
        double[] degrees = [1, 1, 2, 2, 4, 4, 8, 8];
        double[] logs = [.. degrees.Select(d => Math.Log(1 - Math.Cos(d * Math.PI / 180)))];
        var (lower, upper) = (logs[1] + 0.75 * (logs[2] - logs[1]), logs[5] + 0.25 * (logs[6] - logs[5]));

        var suggested = NearDuplicates.Suggest(Among(vectors, 1));

        (1 - suggested).ShouldBe(Math.Exp(lower - 3 * (upper - lower)), 1e-9);
        NearDuplicates.Suggest(Among(Angles(0, 1, 2), 1)).ShouldBe(1);
    }

    [Fact]
    public void Finds_Planted_Duplicates_And_No_Others_By_The_Threshold_That_The_Vectors_Suggest()
    {
        var random = new Random(5);
        var values = new float[300 * 16];
        for (var i = 0; i < values.Length; i++) values[i] = (float)(random.NextDouble() + random.NextDouble() - 1);
        foreach (var (copy, of) in new[] { (290, 3), (291, 3), (292, 77) })
        {
            for (var d = 0; d < 16; d++) values[copy * 16 + d] = values[of * 16 + d] * (1 + 1e-3f * (d % 3));
        }

        NearDuplicates.Find(Among(new LabelledVectors(values, 16, new int[300]), 5)).Groups
            .Select(g => string.Join(' ', g.Rows)).ShouldBe(["3 290 291", "77 292"], ignoreOrder: true);
    }

    [Fact]
    public void Suspects_Are_Labels_That_Neighbours_Outvote()
    {
        var vectors = Angles(0, 1, 2, 3, 90, 91, 92, 93);
        int[] labels = [0, 0, 0, 1, 1, 1, 1, 1]; // the fourth is one of the first by its place

        var suspects = SuspectedLabels.Rank(Among(vectors, 3), labels);

        var suspect = suspects[0];
        (suspect.Row, suspect.Label, suspect.Other, suspect.Disagree).ShouldBe((3, 1, 0, 3));
        (suspect.OwnShare, suspect.OtherShare).ShouldBe((0, 1));
        suspect.Score.ShouldBe(4.0 / 5, 1e-6); // of the five labels 1 the other four have all votes: .8 on average
        suspects.ShouldAllBe(s => s.Row == 3);
    }

    [Fact]
    public void Who_Has_No_Label_Neither_Votes_Nor_Is_Suspected()
    {
        var vectors = Angles(0, 1, 2, 3);

        SuspectedLabels.Rank(Among(vectors, 3), [-1, 0, -1, -1]).ShouldBeEmpty();
        SuspectedLabels.Rank(Among(vectors, 3), [0, 1, -1, 1]).Select(s => s.Row).ShouldNotContain(2);
    }

    [Fact]
    public void A_Subset_Begins_In_The_Middle_And_Goes_On_With_The_Farthest()
    {
        var taken = Take(Angles(0, 10, 40, 50, 60, 100), 4);

        taken.Select(t => t.Row).ShouldBe([2, 5, 0, 4]); // 44° is the mean direction; 60 from 40; 40; 20
        taken[0].Distance.ShouldBe(float.PositiveInfinity);
        taken.Skip(1).Select(t => t.Distance).ShouldBe([Distance(60), Distance(40), Distance(20)], 1e-6f);
        Take(Angles(0, 10, 40, 50, 60, 100), 9).Count.ShouldBe(6);

        static float Distance(float degrees) => 1 - MathF.Cos(degrees * MathF.PI / 180);
    }

    [Fact]
    public void A_Subset_Leaves_Out_What_Is_Near_To_Those_That_Are_There() =>
        Take(Angles(0, 10, 90, 100), 1, taken: [3]).Single().Row.ShouldBe(0);

    private static Neighbours Among(LabelledVectors vectors, int count) => NearestNeighbours.Among(vectors, count, cancellation: TestContext.Current.CancellationToken);

    private static IReadOnlyList<Representative> Take(LabelledVectors vectors, int count, IReadOnlyList<int>? taken = null) => DiverseSubset.Take(vectors, count, taken, TestContext.Current.CancellationToken);

    internal static LabelledVectors Angles(params float[] degrees) => new(
        [.. degrees.SelectMany((float d) => new[] { MathF.Cos(d * MathF.PI / 180), MathF.Sin(d * MathF.PI / 180) })], 2, new int[degrees.Length]);
}
