using Tessera.Embeddings;
using Tessera.Features;

namespace Tessera.Tests.Features;

public sealed class PrincipalComponentsTests
{
    [Fact]
    public void Of_A_Cloud_Along_Known_Axes_They_Are_The_Places_Along_Them()
    {
        // Long along (3, 4) / 5, short along (-4, 3) / 5, about (10, -2).
        (float Long, float Short)[] places = [(-6, 1), (-3, -1), (0, 0), (3, -1), (6, 1)];
        float[] values = [.. places.SelectMany(p => new[] { 10 + 0.6f * p.Long - 0.8f * p.Short, -2 + 0.8f * p.Long + 0.6f * p.Short })];

        var components = PrincipalComponents.Of(new LabelledVectors(values, 2, new int[5]), 2);

        for (var i = 0; i < 5; i++)
        {
            components[2 * i].ShouldBe(places[i].Long, 1e-5f); // the larger weight, .8, is positive
            components[2 * i + 1].ShouldBe(-places[i].Short, 1e-5f); // (.8, -.6)
        }
    }

    [Fact]
    public void The_First_Of_Several_Are_Those_Of_All()
    {
        var random = new Random(3);
        var vectors = new LabelledVectors([.. Enumerable.Range(0, 200).Select(_ => (float)random.NextDouble())], 8, new int[25]);

        var (two, all) = (PrincipalComponents.Of(vectors, 2), PrincipalComponents.Of(vectors, 8));

        for (var i = 0; i < 25; i++) two[(2 * i)..(2 * i + 2)].ShouldBe(all[(8 * i)..(8 * i + 2)], 1e-5f);
        double Variance(int component) => Enumerable.Range(0, 25).Sum(i => Math.Pow(all[8 * i + component], 2));
        Enumerable.Range(0, 8).Select(Variance).ShouldBeInOrder(SortDirection.Descending);
    }
}
