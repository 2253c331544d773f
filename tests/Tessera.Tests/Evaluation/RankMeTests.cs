using Tessera.Embeddings;
using Tessera.Evaluation;
using static TorchSharp.torch;

namespace Tessera.Tests.Evaluation;

public sealed class RankMeTests
{
    [Fact]
    public void Orthogonal_Directions_Of_Equal_Weight_Count_In_Full()
    {
        // 3 of 4 dimensions, each with vectors of the same length
        float[] values = [2, 0, 0, 0, 0, -2, 0, 0, 0, 0, 2, 0];
        RankMe.Of(new LabelledVectors(values, 4, [0, 0, 0])).ShouldBe(3, 1e-4);
    }

    [Fact]
    public void Vectors_That_Are_All_Alike_Have_Rank_1() =>
        RankMe.Of(new LabelledVectors([.. Enumerable.Repeat(new[] { 0.5f, 1, -2 }, 50).SelectMany(v => v)], 3, new int[50])).ShouldBe(1, 1e-4);

    [Fact]
    public void Is_The_Exponential_Of_The_Singular_Values_Entropy()
    {
        const int Count = 5000, Width = 6; // more than one block
        using var scope = NewDisposeScope();
        var matrix = Numbers.Tensor(1, Count, Width) * tensor(new float[] { 1, 2, 3, 4, 5, 100 });

        var singular = linalg.svdvals(matrix.to(ScalarType.Float64)).data<double>().ToArray();
        var shares = singular.Select(s => s / singular.Sum() + 1e-7);

        RankMe.Of(new LabelledVectors(matrix.Floats(), Width, new int[Count])).ShouldBe(Math.Exp(-shares.Sum(p => p * Math.Log(p))), 1e-6);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void Nothing_And_What_Is_Not_Finite_Have_None(float value) =>
        RankMe.Of(new LabelledVectors([value, 0, 0, value], 2, [0, 0])).ShouldBe(double.NaN);
}
