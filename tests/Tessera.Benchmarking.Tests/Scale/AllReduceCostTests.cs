using Tessera.Benchmarking.Scale;

namespace Tessera.Benchmarking.Tests.Scale;

public sealed class AllReduceCostTests
{
    private static readonly Wire TenGigabit = new(1e-4, 1.25e9);

    public static TheoryData<AllReduceAlgorithm> Algorithms => [.. Enum.GetValues<AllReduceAlgorithm>()];

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void One_Rank_Has_Nothing_To_Send(AllReduceAlgorithm algorithm) => AllReduceCost.Seconds(algorithm, 1, 22e6, TenGigabit).ShouldBe(0);

    [Theory]
    [MemberData(nameof(Algorithms))]
    public void Nothing_Is_Sent_In_No_Time_Where_The_Wire_Is_Perfect(AllReduceAlgorithm algorithm) =>
        AllReduceCost.Seconds(algorithm, 24, 22e6, new Wire(0, double.PositiveInfinity)).ShouldBe(0);

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    [InlineData(1024)]
    public void A_Ring_Takes_Its_Closed_Form(int n) => AllReduceCost.Seconds(AllReduceAlgorithm.Ring, n, 22e6, TenGigabit)
        .ShouldBe(2.0 * (n - 1) / n * 22e6 / 1.25e9 + 2 * (n - 1) * 1e-4, 1e-12);

    [Theory]
    [InlineData(2, 1)]
    [InlineData(8, 3)]
    [InlineData(1024, 10)]
    public void Trees_Take_Their_Closed_Forms_Where_All_Ranks_Pair_Up(int n, int rounds)
    {
        AllReduceCost.Seconds(AllReduceAlgorithm.Rabenseifner, n, 22e6, TenGigabit).ShouldBe(2 * rounds * 1e-4 + 2.0 * (n - 1) / n * 22e6 / 1.25e9, 1e-12);
        AllReduceCost.Seconds(AllReduceAlgorithm.RecursiveDoubling, n, 22e6, TenGigabit).ShouldBe(rounds * (1e-4 + 22e6 / 1.25e9), 1e-12);
    }

    /// <summary>Played message by message: who holds the sum of whom, and when; the formula must come to the same.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    [InlineData(13)]
    public void Recursive_Doubling_Played_Through_Sums_All_Ranks_In_The_Time_Of_The_Formula(int n)
    {
        const double bytes = 1e6;
        var (paired, message) = (1, 1e-4 + bytes / 1.25e9);
        while (paired * 2 <= n) paired *= 2;
        var (at, has) = (new double[n], Enumerable.Range(0, n).Select(r => new HashSet<int> { r }).ToArray());
        for (var r = paired; r < n; r++) Send(r, r - paired);
        for (var distance = 1; distance < paired; distance *= 2)
        {
            var (when, what) = (at.ToArray(), has.Select(h => h.ToHashSet()).ToArray());
            for (var r = 0; r < paired; r++)
            {
                var other = r ^ distance;
                at[r] = Math.Max(when[r], when[other]) + message;
                has[r].UnionWith(what[other]);
            }
        }
        for (var r = paired; r < n; r++) Send(r - paired, r);

        has.ShouldAllBe(h => h.Count == n);
        AllReduceCost.Seconds(AllReduceAlgorithm.RecursiveDoubling, n, bytes, TenGigabit).ShouldBe(at.Max(), 1e-12);

        void Send(int from, int to)
        {
            at[to] = Math.Max(at[from], at[to]) + message;
            has[to].UnionWith(has[from]);
        }
    }

    [Fact]
    public void Small_Messages_Take_The_Fewest_And_Large_Ones_The_Shortest()
    {
        AllReduceCost.Fastest(8, 8, TenGigabit).Algorithm.ShouldBe(AllReduceAlgorithm.RecursiveDoubling);
        AllReduceCost.Fastest(8, 4 << 20, TenGigabit).Algorithm.ShouldBe(AllReduceAlgorithm.Rabenseifner);
        AllReduceCost.Fastest(7, 400 << 20, TenGigabit).Algorithm.ShouldBe(AllReduceAlgorithm.Ring); // the tree would send all of it twice more
        AllReduceCost.Fastest(7, 400 << 20, TenGigabit).Seconds.ShouldBe(AllReduceCost.Seconds(AllReduceAlgorithm.Ring, 7, 400 << 20, TenGigabit));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(64)]
    public void Gathering_Is_The_Second_Half_Of_An_All_Reduce(int n) =>
        AllReduceCost.AllGatherSeconds(n, 22e6, TenGigabit).ShouldBe(AllReduceCost.Seconds(AllReduceAlgorithm.Rabenseifner, n, 22e6, TenGigabit) / 2, 1e-12);

    [Fact]
    public void There_Is_At_Least_One_Rank() =>
        Should.Throw<ArgumentOutOfRangeException>(() => AllReduceCost.Seconds(AllReduceAlgorithm.Ring, 0, 1, TenGigabit));
}
