using Tessera.Evaluation;
using Tessera.Runtime;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Tessera.Tests.Evaluation;

public sealed class ProbeHeadTests
{
    private const int Width = 6, Heads = 2, Classes = 3;

    [Fact]
    public void Lars_Goes_As_Far_As_A_Matrix_Is_Long_And_Keeps_Its_Momentum()
    {
        using var scope = NewDisposeScope();
        Parameter matrix = new(tensor([3f, 0, 0, 4], [2, 2])), bias = new(tensor([1f, 2]));
        using var optimizer = new Lars([matrix, bias]);

        foreach (var rate in new[] { 10.0, 5.0 })
        {
            (matrix.grad, bias.grad) = (tensor([0f, 12, 5, 0], [2, 2]), tensor([.5f, -1]));
            optimizer.Step(rate);
        }

        // ‖W‖ = 5 and ‖g‖ = 13: the first step is 10 · .001 · 5/13 · g. The second has the momentum and the new norm.
        var first = 1e-3 * 5 / 13;
        double[] after = [3, -10 * first * 12, -10 * first * 5, 4];
        var second = 1e-3 * Math.Sqrt(after.Sum(w => w * w)) / 13;
        double[] gradient = [0, 12, 5, 0];
        Values(matrix).ShouldBe([.. after.Zip(gradient, (w, g) => w - (5 * ((0.9 * first) + second) * g))], 1e-5);
        Values(bias).ShouldBe([1 - (10 * .5) - (5 * ((.9 * .5) + .5)), 2 + 10 + (5 * ((.9 * 1) + 1))], 1e-5);
        (matrix.grad is null).ShouldBeTrue();
    }

    [Fact]
    public void Lars_Moves_A_Matrix_Of_Zeros_And_Stays_Where_There_Is_No_Gradient()
    {
        using var scope = NewDisposeScope();
        Parameter nothing = new(zeros(1, 2)), still = new(tensor([1f, 2], [1, 2]));
        using var optimizer = new Lars([nothing, still]);
        (nothing.grad, still.grad) = (tensor([3f, 4], [1, 2]), zeros(1, 2));

        optimizer.Step(0.1);

        Values(nothing).ShouldBe([-.3, -.4], 1e-6);
        Values(still).ShouldBe([1, 2], 0);
    }

    [Fact]
    public void A_Linear_Head_Standardises_By_The_Batch_And_When_Measured_By_All_Batches()
    {
        using var scope = NewDisposeScope();
        using var head = new LinearHead(Width, Classes, rate: 1, seed: 1, CPU);
        var features = Numbers.Tensor(1, 5, Width).Times(3).Plus(7);
        var (weight, bias) = (head.get_parameter("head.weight")!, head.get_parameter("head.bias")!);

        var other = Numbers.Tensor(6, 5, Width).Plus(3);

        head.train();
        var trained = head.call(features);
        head.call(other);
        head.eval();
        var measured = head.call(features);

        var deviation = features.var(0, unbiased: false).sqrt();
        trained.ShouldBeNear(((features - features.mean([0L])) / deviation).matmul(weight.t()).add(bias), 1e-4);
        var mean = features.mean([0L]).add(other.mean([0L])).Times(.5);
        var kept = features.var(0, unbiased: true).add(other.var(0, unbiased: true)).Times(.5).sqrt();
        measured.ShouldBeNear(((features - mean) / kept).matmul(weight.t()).add(bias), 1e-4);
        Values(weight).Average(w => w * w).ShouldBeInRange(.5e-4, 2e-4); // deviation .01
    }

    /// <summary>Keys and values of every token, as attention is written, with a query and key matrices whose products are the head's queries.</summary>
    [Fact]
    public void An_Attentive_Head_Is_Cross_Attention_With_One_Query()
    {
        using var scope = NewDisposeScope();
        using var head = new AttentiveHead(Width, Heads, Classes, rate: 1, seed: 1, CPU);
        var tokens = Numbers.Tensor(2, 4 * 5, Width);
        tokens = tokens - tokens.mean([0L]);
        tokens = tokens / tokens.var(0, unbiased: false).sqrt(); // a norm leaves them as they are
        head.train();
        var (query, value) = (head.get_parameter("query")!, head.get_parameter("value")!);
        var gathered = new List<Tensor>();
        for (var h = 0; h < Heads; h++)
        {
            const int Size = Width / Heads;
            var keyMatrix = Numbers.Tensor((uint)(3 + h), Size, Width);                                                          // (D / H, D)
            var asked = linalg.lstsq(keyMatrix.t(), query[h].detach().unsqueeze(1)).Solution.squeeze(1);         // (D / H): q with Kᵀ q nearest to it
            query.detach()[h].copy_(keyMatrix.t().matmul(asked));
            var keys = tokens.matmul(keyMatrix.t()).view(4, 5, Size);
            var values = tokens.matmul(value.narrow(0, h * Size, Size).t()).view(4, 5, Size);
            var weights = keys.matmul(asked).Times(1 / Math.Sqrt(Width)).softmax(1);                             // (B, N)
            gathered.Add((weights.unsqueeze(2) * values).sum([1L]));
        }

        var scores = head.call(tokens.view(4, 5 * Width));

        var expected = cat(gathered, dim: 1).matmul(head.get_parameter("head.weight")!.t()).add(head.get_parameter("head.bias")!);
        scores.ShouldBeNear(expected);
    }

    private static double[] Values(Tensor tensor) => [.. tensor.Floats().Select(v => (double)v)];
}
