using Tessera.Objectives;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Tests.Objectives;

public sealed class DecoupledContrastTests
{
    [Theory]
    [InlineData(2, 2, 0, 0.2)] // one negative picture
    [InlineData(7, 2, 0, 0.2)]
    [InlineData(5, 2, 3, 0.1)] // with local crops
    [InlineData(4, 3, 1, 0.5)]
    [InlineData(2, 4, 0, 0.05)]
    public void Agrees_With_The_Formula_Term_By_Term(int pictures, int crops, int localCrops, double temperature)
    {
        using var scope = NewDisposeScope();
        var directions = Directions(pictures, crops + localCrops);
        var expected = Naive(Values(directions), crops, temperature);
        Contrast(directions, crops, temperature).item<float>().ShouldBe((float)expected, 1e-5f / (float)temperature);
    }

    [Theory]
    [InlineData(3, 2, 0)]
    [InlineData(2, 2, 2)]
    [InlineData(3, 3, 1)]
    public void Has_The_Gradient_That_Differences_Show(int pictures, int crops, int localCrops)
    {
        using var scope = NewDisposeScope();
        const double temperature = 0.2, step = 1e-5;
        var directions = Directions(pictures, crops + localCrops).requires_grad_();
        Contrast(directions, crops, temperature).backward();

        var values = Values(directions);
        var expected = new List<float>();
        foreach (var direction in values.SelectMany(views => views))
        {
            for (var k = 0; k < direction.Length; k++)
            {
                var at = direction[k];
                direction[k] = at + step;
                var above = Naive(values, crops, temperature);
                direction[k] = at - step;
                var below = Naive(values, crops, temperature);
                direction[k] = at;
                expected.Add((float)((above - below) / (2 * step)));
            }
        }

        directions.grad!.ShouldBeNear(tensor(expected.ToArray(), directions.shape), 1e-5);
    }

    [Fact]
    public void Does_Not_Care_In_What_Order_The_Pictures_Come()
    {
        using var scope = NewDisposeScope();
        var directions = Directions(pictures: 5, views: 4);
        var others = directions.index_select(0, tensor((long[])[3, 0, 4, 1, 2]));
        Contrast(others, crops: 2, 0.1).ShouldBeNear(Contrast(directions, crops: 2, 0.1));
    }

    /// <summary>Of B pictures with G global crops each, (B - 1) G negatives are as like as the pictures are.</summary>
    [Theory]
    [InlineData(2, 2, 0)]
    [InlineData(5, 3, 2)]
    public void Is_What_The_Formula_Says_Where_Views_Of_A_Picture_Are_One(int pictures, int crops, int localCrops)
    {
        using var scope = NewDisposeScope();
        const double temperature = 0.2;
        float Loss(Tensor ofPictures) =>
            Contrast(ofPictures.unsqueeze(1).expand(-1, crops + localCrops, -1).contiguous(), crops, temperature).item<float>();

        var negatives = Math.Log((pictures - 1) * crops);
        Loss(eye(pictures, 8)).ShouldBe((float)(negatives - 1 / temperature), 1e-5f); // all pictures at right angles
        Loss(ones(pictures, 4) / 2).ShouldBe((float)negatives, 1e-5f); // and all of them alike
        if (pictures == 2) Loss(tensor((float[])[1, -1], [2, 1])).ShouldBe((float)(negatives - 2 / temperature), 1e-5f); // and opposite
    }

    private static Tensor Contrast(Tensor directions, int crops, double temperature)
    {
        using var constants = new DeviceConstants();
        return DecoupledContrast.Loss(directions, crops, temperature, constants);
    }

    private static double Naive(double[][][] directions, int crops, double temperature)
    {
        var (sum, pairs) = (0.0, 0);
        for (var picture = 0; picture < directions.Length; picture++)
        {
            for (var view = 0; view < directions[picture].Length; view++)
            {
                var negatives = 0.0;
                for (var other = 0; other < directions.Length; other++)
                {
                    if (other == picture) continue;
                    for (var crop = 0; crop < crops; crop++) negatives += Math.Exp(Likeness(directions[picture][view], directions[other][crop]) / temperature);
                }
                for (var crop = 0; crop < crops; crop++)
                {
                    if (crop == view) continue;
                    sum += Math.Log(negatives) - Likeness(directions[picture][view], directions[picture][crop]) / temperature;
                    pairs++;
                }
            }
        }
        return sum / pairs;

        static double Likeness(double[] one, double[] other) => one.Zip(other, (a, b) => a * b).Sum();
    }

    private static Tensor Directions(int pictures, int views) => nn.functional.normalize(Numbers.Tensor(11, pictures, views, 4), dim: -1);

    private static double[][][] Values(Tensor directions) =>
        [.. directions.Floats().Select(v => (double)v).Chunk((int)directions.shape[2]).Chunk((int)directions.shape[1])];
}
