using Tessera.Embeddings;
using Tessera.Evaluation;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Tests.Evaluation;

public sealed class SoftmaxRegressionTests : IDisposable
{
    private const int Width = 4, Classes = 3;

    private readonly WorkerThreads threads = new(2); // 5,000 vectors are two pieces for one and one for the other

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose() => threads.Dispose();

    [Fact]
    public void The_Gradient_Is_What_Autograd_Finds()
    {
        using var scope = NewDisposeScope();
        var vectors = Overlapping(count: 5000);
        using var rows = StandardizedVectors.Of(CPU, threads, vectors);
        using var regression = new SoftmaxRegression(rows, Classes, Stop);
        var weights = Numbers.Tensor(7, Width + 1, Classes);

        var (loss, gradient) = regression.LossAndGradient(weights, decay: 0.3, Stop);

        var (values, labels) = Standardized(vectors);
        var exact = weights.to(ScalarType.Float64).requires_grad_();
        var (layer, bias) = (exact.narrow(0, 0, Width), exact.narrow(0, Width, 1));
        var expected = nn.functional.cross_entropy(values.matmul(layer) + bias, labels) + 0.15 * (layer * layer).sum();
        expected.backward();
        loss.ShouldBe(expected.item<double>(), 1e-6);
        gradient.ShouldBeNear(exact.grad!, 1e-6);
    }

    /// <summary>Newton's method in double precision, whose every step solves for all weights at once.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(1e-2)]
    [InlineData(1e-4)]
    public void Ends_Where_Newtons_Method_Does(double decay)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var vectors = Overlapping(count: 300);
        using var rows = StandardizedVectors.Of(CPU, threads, vectors);
        using var regression = new SoftmaxRegression(rows, Classes, Stop);

        var (found, passes) = regression.Minimize(regression.Zero(), decay, cancellation: Stop);
        var (fromAfar, _) = regression.Minimize(Numbers.Tensor(8, Width + 1, Classes), decay, cancellation: Stop);

        var newton = Newton(vectors, decay);
        regression.LossAndGradient(found, decay, Stop).Loss.ShouldBe(regression.LossAndGradient(newton.to(ScalarType.Float32), decay, Stop).Loss, 2e-5);
        Likelihoods(found, vectors).ShouldBeNear(Likelihoods(newton, vectors), 1e-2);
        Likelihoods(fromAfar, vectors).ShouldBeNear(Likelihoods(newton, vectors), 1e-2);
        passes.ShouldBeLessThan(30);
    }

    [Fact]
    public void Numbers_That_Nearly_Repeat_One_Another_Cost_No_Passes()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var noise = Numbers.Draw(4, 300);
        var vectors = Overlapping(count: 300);
        var twice = new float[300 * Width * 2]; // the second half differs from the first in the fourth digit: a condition of 10⁸
        for (var i = 0; i < 300; i++)
        {
            vectors[i].CopyTo(twice.AsSpan(i * Width * 2));
            vectors[i].CopyTo(twice.AsSpan(i * Width * 2 + Width));
            twice[i * Width * 2 + Width] += 1e-4f * noise[i];
        }
        using var rows = StandardizedVectors.Of(CPU, threads, new LabelledVectors(twice, Width * 2, vectors.Labels));
        using var regression = new SoftmaxRegression(rows, Classes, Stop);

        regression.Minimize(regression.Zero(), decay: 1e-6, cancellation: Stop).Passes.ShouldBeLessThan(30);
    }

    [Fact]
    public void Finds_The_Places_Of_The_Labels_And_Counts_A_Draw_As_Lost()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var vectors = new LabelledVectors([-3, -1, 1, 3], 1, [0, 1, 6, 6]);
        using var rows = StandardizedVectors.Of(CPU, threads, vectors);
        using var regression = new SoftmaxRegression(rows, classes: 7, Stop);
        var bias = tensor(new float[] { 7, 6, 5, 4, 3, 2, 2 }, [1, 7]); // the vectors say nothing, and the last two classes are level
        var weights = cat([zeros(1, 7), bias]);

        var (top1, top5, confusion) = regression.Measure(weights, rows, Stop);

        (top1, top5).ShouldBe((new Accuracy(1, 4), new Accuracy(2, 4)));
        // All four are taken for the first class.
        for (var label = 0; label < 7; label++)
        {
            for (var answer = 0; answer < 7; answer++)
                confusion[label, answer].ShouldBe((label, answer) switch { (0, 0) or (1, 0) => 1, (6, 0) => 2, _ => 0 });
        }
        regression.Measure(regression.Zero(), rows, Stop).Top5.ShouldBe(new Accuracy(0, 4));
    }

    /// <summary>Three classes whose clouds overlap, with scales and means of their own.</summary>
    private static LabelledVectors Overlapping(int count)
    {
        var (noise, values, labels) = (Numbers.Draw(3, (long)count * Width), new float[count * Width], new int[count]);
        for (var i = 0; i < count; i++)
        {
            labels[i] = i * 7 % Classes;
            for (var d = 0; d < Width; d++)
                values[i * Width + d] = (float)Math.Pow(10, d) * (noise[i * Width + d] + (d % Classes == labels[i] ? 0.7f : 0) + d) + noise[i * Width];
        }
        return new LabelledVectors(values, Width, labels);
    }

    private static (Tensor Values, Tensor Labels) Standardized(LabelledVectors vectors)
    {
        var values = tensor(vectors.Values, [vectors.Count, vectors.Width]).to(ScalarType.Float64);
        var labels = tensor(Array.ConvertAll(vectors.Labels, l => (long)l));
        return ((values - values.mean([0])) / values.std(0, unbiased: false), labels);
    }

    private static Tensor Likelihoods(Tensor weights, LabelledVectors vectors)
    {
        var (values, exact) = (Standardized(vectors).Values, weights.to(ScalarType.Float64));
        return (values.matmul(exact.narrow(0, 0, Width)) + exact.narrow(0, Width, 1)).softmax(1);
    }

    /// <returns>(D + 1, K), fp64</returns>
    private static Tensor Newton(LabelledVectors vectors, double decay)
    {
        var (values, labels) = Standardized(vectors);
        var rows = cat([values, ones(vectors.Count, 1, ScalarType.Float64)], 1); // (N, D + 1)
        var truth = nn.functional.one_hot(labels, Classes).to(ScalarType.Float64);
        var penalty = decay * cat([ones(Width, 1, ScalarType.Float64), zeros(1, 1, ScalarType.Float64)]); // (D + 1, 1)
        var weights = zeros(Width + 1, Classes, ScalarType.Float64);
        for (var step = 0; step < 30; step++)
        {
            var likely = rows.matmul(weights).softmax(1);
            var gradient = rows.t().matmul(likely - truth) / vectors.Count + penalty * weights;
            var ofClasses = likely.diag_embed() - likely.unsqueeze(2) * likely.unsqueeze(1); // (N, K, K)
            var curvature = einsum("ni,nkl,nj->ikjl", rows, ofClasses, rows).reshape(15, 15) / vectors.Count
                + penalty.expand(-1, Classes).reshape(-1).diag();
            // All biases together may shift without effect, so one solution of many is taken; half steps at first, from where Newton's may overshoot.
            weights -= (step < 5 ? 0.5 : 1) * linalg.pinv(curvature, hermitian: true).matmul(gradient.reshape(-1)).reshape(Width + 1, Classes);
        }
        return weights;
    }
}
