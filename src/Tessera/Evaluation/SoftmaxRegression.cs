using Tessera.Embeddings;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>The linear layer with the least mean cross-entropy + ½ · decay · ‖W‖², of which there is one; its bias does not decay.</summary>
/// <remarks>
/// The problem is smooth and convex: L-BFGS (Nocedal and Wright 2006, algorithm 7.4) on all vectors at once ends at the same layer whatever the
/// start, and takes no rate. Each direction begins with the inverse of the curvature at W = 0, C / K + decay for vectors of covariance C and K
/// classes, since features are far from independent: a few directions hold nearly all of their variance, and gradients alone creep along the others.
/// </remarks>
internal sealed class SoftmaxRegression : IDisposable
{
    private const int MostPasses = 1000; // far beyond what was seen; a search ends, whatever the vectors
    private const int Memory = 10;

    /// <summary>
    /// How much less, as the curvature tells, the loss can still get when a search ends. A tenth of it moved the accuracies of a ViT-Tiny's vectors by at
    /// most .06 points, with any decay.
    /// </summary>
    private const double Tolerance = 1e-5;

    private const double LeastCurvature = 1e-6; // of a direction in which the vectors do not vary: fp32's products leave no less
    private const int MostTrials = 20;

    private readonly StandardizedVectors vectors;
    private readonly int classes;
    private readonly Tensor covariance; // (D, D), fp64

    /// <param name="vectors">What it is fitted to; they stay with the caller.</param>
    /// <param name="classes">K.</param>
    /// <param name="cancellation">Ends the work early.</param>
    public SoftmaxRegression(StandardizedVectors vectors, int classes, CancellationToken cancellation = default)
    {
        (this.vectors, this.classes) = (vectors, classes);
        using var scope = NewDisposeScope();
        var products = vectors.Sum(
            () => [zeros(vectors.Width, vectors.Width, ScalarType.Float64, vectors.Device)],
            (rows, _, sums) => sums[0].PlusInPlace(rows.t().matmul(rows)), cancellation)[0];
        covariance = products.Times(1.0 / vectors.Count).DetachFromDisposeScope();
    }

    /// <summary>The layer to which all classes are equally likely.</summary>
    /// <returns>(D + 1, K): the weights, and below them the bias</returns>
    public Tensor Zero() => zeros(vectors.Width + 1, classes, device: vectors.Device);

    /// <summary>Searches the layer.</summary>
    /// <param name="start">(D + 1, K): where the search begins.</param>
    /// <param name="decay">Above 0.</param>
    /// <param name="progress">Told the number of passes over the vectors.</param>
    /// <param name="cancellation">Ends the search early.</param>
    /// <returns>(D + 1, K), and the number of passes</returns>
    public (Tensor Weights, int Passes) Minimize(Tensor start, double decay, Action<int>? progress = null, CancellationToken cancellation = default)
    {
        using var scope = NewDisposeScope();
        var inverse = InverseCurvature(decay);
        var (steps, passes) = (new Queue<Step>(), 0);
        var (weights, gradient) = (start.clone(), At(start));
        while (passes < MostPasses)
        {
            using var inner = NewDisposeScope();
            var direction = Direction(gradient, steps, inverse);
            var slope = Dot(direction, gradient);
            if (-slope / 2 < Tolerance) break;
            if (Search(weights, direction, slope, At) is not { } there) break; // as near as fp32 comes
            steps.Enqueue(new Step((there.Weights - weights).MoveToOuterDisposeScope(), (there.Gradient - gradient).MoveToOuterDisposeScope()));
            if (steps.Count > Memory) steps.Dequeue().Dispose();
            weights.Dispose();
            gradient.Dispose();
            (weights, gradient) = (there.Weights.MoveToOuterDisposeScope(), there.Gradient.MoveToOuterDisposeScope());
        }
        return (weights.MoveToOuterDisposeScope(), passes);

        Tensor At(Tensor point)
        {
            passes++;
            progress?.Invoke(passes);
            return LossAndGradient(point, decay, cancellation).Gradient;
        }
    }

    /// <summary>What is minimised, and its derivatives.</summary>
    /// <param name="weights">(D + 1, K)</param>
    /// <param name="decay">Of the weights.</param>
    /// <param name="cancellation">Ends the pass early.</param>
    /// <returns>The loss, and (D + 1, K)</returns>
    internal (double Loss, Tensor Gradient) LossAndGradient(Tensor weights, double decay, CancellationToken cancellation = default)
    {
        using var scope = NewDisposeScope();
        var (layer, bias) = Parts(weights);
        var sums = vectors.Sum(() => [zeros_like(weights), zeros(1, ScalarType.Float64, weights.device)], (rows, labels, sums) =>
        {
            var likelihood = bias.addmm(rows, layer).log_softmax(1);                                                         // (B, K)
            sums[1].sub_(likelihood.gather(1, labels).sum(type: ScalarType.Float64));
            var error = likelihood.exp_().scatter_add_(1, labels, ones_like(labels, dtype: ScalarType.Float32).neg_());      // (B, K): softmax less one-hot
            var (ofLayer, ofBias) = Parts(sums[0]);
            ofLayer.addmm_(rows.t(), error);
            ofBias.PlusInPlace(error.sum([0], keepdim: true));
        }, cancellation);
        var gradient = sums[0].Times(1.0 / vectors.Count);
        Parts(gradient).Layer.PlusInPlace(layer.Times(decay));
        return (sums[1].item<double>() / vectors.Count + decay / 2 * Dot(layer, layer), gradient.MoveToOuterDisposeScope());
    }

    /// <summary>How often a layer is right, and what it takes for what.</summary>
    public (Accuracy Top1, Accuracy Top5, ConfusionMatrix Confusion) Measure(Tensor weights, StandardizedVectors measured, CancellationToken cancellation = default)
    {
        using var scope = NewDisposeScope();
        var (layer, bias) = Parts(weights);
        var begins = HeldNumbers.Multiples(classes, classes, weights.device); // of the matrix's rows
        var sums = measured.Sum(() => [LabelPlaces.None(weights.device), zeros(classes * classes, ScalarType.Int64, weights.device)], (rows, labels, sums) =>
        {
            var scores = bias.addmm(rows, layer);                                            // (B, K)
            sums[0].PlusInPlace(LabelPlaces.Of(scores, labels));
            var places = begins.index_select(0, labels.flatten()).PlusInPlace(scores.argmax(1)); // (B): in the matrix
            sums[1].scatter_add_(0, places, ones_like(places));
        }, cancellation);
        var (top1, top5) = LabelPlaces.Accuracies(sums[0], measured.Count);
        return (top1, top5, new ConfusionMatrix(classes, [.. sums[1].cpu().data<long>().ToArray().Select(count => (int)count)]));
    }

    /// <summary>Frees the covariance.</summary>
    public void Dispose() => covariance.Dispose();

    /// <summary>
    /// Goes along a direction until the slope has lost a third of its size, or null where it does not. Losses are not compared: near the end fp32 does not tell them
    /// apart, while on a convex path the slope says on which side the minimum lies.
    /// </summary>
    private static (Tensor Weights, Tensor Gradient)? Search(Tensor weights, Tensor direction, double slope, Func<Tensor, Tensor> gradientAt)
    {
        const double Left = 2.0 / 3, Margin = 0.1;
        var (length, near, far) = (1.0, (Length: 0.0, Slope: slope), (Length: double.PositiveInfinity, Slope: 0.0));
        for (var trial = 0; trial < MostTrials; trial++)
        {
            var there = weights.Plus(direction.Times(length));
            var gradient = gradientAt(there);
            var slopeThere = Dot(direction, gradient);
            if (Math.Abs(slopeThere) <= -Left * slope) return (there, gradient);
            if (slopeThere < 0) near = (length, slopeThere);
            else far = (length, slopeThere);
            length = double.IsInfinity(far.Length) ? 2 * length
                : near.Length + (far.Length - near.Length) * Math.Clamp(near.Slope / (near.Slope - far.Slope), Margin, 1 - Margin);
        }
        return null;
    }

    /// <summary>Downhill, as far as the curvature of the last steps tells.</summary>
    private Tensor Direction(Tensor gradient, Queue<Step> steps, Tensor inverse)
    {
        var direction = gradient.neg();
        var shares = new Stack<double>();
        foreach (var step in steps.Reverse())
        {
            shares.Push(Dot(step.Weights, direction) / step.Product);
            direction.PlusInPlace(step.Gradient.Times(-shares.Peek()));
        }
        var (layer, bias) = Parts(direction);
        direction = cat([inverse.matmul(layer), bias.Times(classes)]);
        foreach (var step in steps) direction.PlusInPlace(step.Weights.Times(shares.Pop() - Dot(step.Gradient, direction) / step.Product));
        return direction;
    }

    /// <summary>The inverse of the curvature at W = 0, where all classes have the same.</summary>
    /// <returns>(D, D)</returns>
    private Tensor InverseCurvature(double decay)
    {
        using var scope = NewDisposeScope();
        var diagonal = eye(vectors.Width, dtype: ScalarType.Float64, device: vectors.Device).Times(decay + LeastCurvature);
        return cholesky_inverse(linalg.cholesky(covariance.Times(1.0 / classes).PlusInPlace(diagonal))).to(ScalarType.Float32).MoveToOuterDisposeScope();
    }

    private (Tensor Layer, Tensor Bias) Parts(Tensor weights) => (weights.narrow(0, 0, vectors.Width), weights.narrow(0, vectors.Width, 1));

    private static double Dot(Tensor left, Tensor right) => (left * right).sum(type: ScalarType.Float64).item<double>();

    /// <summary>A step that was made, and how the gradient changed on the way.</summary>
    private sealed record Step(Tensor Weights, Tensor Gradient) : IDisposable
    {
        public double Product { get; } = Dot(Weights, Gradient);

        public void Dispose()
        {
            Weights.Dispose();
            Gradient.Dispose();
        }
    }
}
