using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Tessera.Embeddings;

/// <summary>t-SNE, exact: a map on which vectors that are near each other lie near each other. Distances across the map mean little.</summary>
/// <remarks>
/// van der Maaten and Hinton 2008, with its early exaggeration, momentum and gains; the rate is N over four times the exaggeration (Belkina et al. 2019, Nature
/// Communications 10:5415). Distances are those of vectors at length 1. N × N values stay in memory and every round looks at all: for some thousand vectors.
/// The same input gives the same map, whatever the number of threads.
/// </remarks>
public static class Tsne
{
    /// <summary>The most vectors: their pairs take a gigabyte.</summary>
    public const int MostVectors = 16_000;

    private const int Rounds = 1000, ExaggeratedRounds = 250;
    private const float Exaggeration = 12;

    /// <summary>Makes a map.</summary>
    /// <param name="vectors">(N, D), two to <see cref="MostVectors"/>.</param>
    /// <param name="start">(N, 2), row by row: where the places begin, such as the first two principal components; only its proportions count.</param>
    /// <param name="perplexity">How many neighbours a vector has, softly counted; lowered to a third of the others.</param>
    /// <param name="progress">Told the share of the work that is done, in thousandths.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>(N, 2), row by row, about 0.</returns>
    /// <exception cref="ArgumentException">The sizes do not fit.</exception>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static float[] Map(LabelledVectors vectors, ReadOnlySpan<float> start, double perplexity = 30, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        var count = vectors.Count;
        if (count is < 2 or > MostVectors) throw new ArgumentException($"A map takes 2 to {MostVectors} vectors, not {count}.", nameof(vectors));
        if (start.Length != 2 * count) throw new ArgumentException($"{start.Length} numbers are not the places of {count} vectors.", nameof(start));
        ArgumentOutOfRangeException.ThrowIfLessThan(perplexity, 1);

        var affinities = Affinities(vectors, Math.Min(perplexity, Math.Max(1, (count - 1) / 3.0)), cancellation);
        var map = new Plane(start);
        var (moves, gains, gradient) = (new Plane(count), new Plane(count, 1), new Plane(count));
        var rate = Math.Max(50, count / Exaggeration / 4);
        for (var round = 0; round < Rounds; round++)
        {
            cancellation.ThrowIfCancellationRequested();
            var isEarly = round < ExaggeratedRounds;
            Gradient(affinities, map, isEarly ? Exaggeration : 1, gradient);
            for (var axis = 0; axis < 2; axis++) Move(map[axis], moves[axis], gains[axis], gradient[axis], rate, isEarly ? 0.5f : 0.8f);
            progress?.Report((round + 1) * 1000 / Rounds);
        }
        var places = new float[2 * count];
        for (var i = 0; i < count; i++) (places[2 * i], places[2 * i + 1]) = (map[0][i], map[1][i]);
        return places;
    }

    private static void Move(float[] places, float[] moves, float[] gains, float[] gradient, float rate, float momentum)
    {
        for (var i = 0; i < places.Length; i++)
        {
            gains[i] = Math.Max(0.01f, gradient[i] > 0 == moves[i] > 0 ? gains[i] * 0.8f : gains[i] + 0.2f); // slower where it turns back
            moves[i] = momentum * moves[i] - rate * gains[i] * gradient[i];
            places[i] += moves[i];
        }
        TensorPrimitives.Subtract(places, TensorPrimitives.Sum<float>(places) / places.Length, places);
    }

    /// <summary>How likely each would pick each other as its neighbour, made symmetric; their sum is 1 (equations 1 and 2 with σ by the perplexity).</summary>
    internal static float[][] Affinities(LabelledVectors vectors, double perplexity, CancellationToken cancellation = default)
    {
        var (count, width) = (vectors.Count, vectors.Width);
        var directions = new float[count * width];
        for (var i = 0; i < count; i++) Similarity.Direction(vectors[i], directions.AsSpan(i * width, width));
        var rows = new float[count][];
        Parallel.For(0, count, new ParallelOptions { CancellationToken = cancellation }, i =>
        {
            var row = rows[i] = new float[count];
            for (var j = 0; j < count; j++)
                row[j] = Math.Max(0, 2 - 2 * TensorPrimitives.Dot(directions.AsSpan(i * width, width), directions.AsSpan(j * width, width))); // the squared distance
            Soften(row, i, Math.Log(perplexity));
        });
        for (var i = 0; i < count; i++)
        {
            for (var j = 0; j < i; j++) rows[i][j] = rows[j][i] = (rows[i][j] + rows[j][i]) / (2 * count);
        }
        return rows;
    }

    /// <summary>Squared distances to probabilities of a given entropy, by halving for the precision.</summary>
    private static void Soften(float[] row, int own, double entropy)
    {
        var (low, high, precision) = (0.0, double.PositiveInfinity, 1.0);
        var nearest = row.Where((_, j) => j != own).Min();
        var weights = new double[row.Length];
        for (var attempt = 0; attempt < 64; attempt++)
        {
            var (sum, mean) = (0.0, 0.0);
            for (var j = 0; j < row.Length; j++)
            {
                var distance = row[j] - nearest; // so that the nearest weighs 1
                weights[j] = j == own ? 0 : Math.Exp(-precision * distance);
                sum += weights[j];
                mean += weights[j] * distance;
            }
            var difference = Math.Log(sum) + precision * mean / sum - entropy;
            if (Math.Abs(difference) < 1e-6 || attempt == 63)
            {
                for (var j = 0; j < row.Length; j++) row[j] = (float)(weights[j] / sum);
                return;
            }
            if (difference > 0) low = precision;
            else high = precision;
            precision = double.IsInfinity(high) ? 2 * precision : (low + high) / 2;
        }
    }

    /// <summary>The divergence's gradient (equation 5): 4 Σⱼ (e·pᵢⱼ - qᵢⱼ) (yᵢ - yⱼ) / (1 + ‖yᵢ - yⱼ‖²).</summary>
    /// <param name="affinities">(N, N): p.</param>
    /// <param name="map">y.</param>
    /// <param name="exaggeration">e.</param>
    /// <param name="gradient">Takes it.</param>
    internal static void Gradient(float[][] affinities, Plane map, float exaggeration, Plane gradient)
    {
        var count = affinities.Length;
        var (sums, apart) = (new double[count], new Plane(count));
        Parallel.For(0, count, i =>
        {
            var (near, far, sum) = Forces(affinities[i], map[0], map[1], map[0][i], map[1][i]);
            (gradient[0][i], gradient[1][i], apart[0][i], apart[1][i], sums[i]) = (near.X, near.Y, far.X, far.Y, sum - 1); // its own place weighs 1
        });
        var all = (float)sums.Sum(); // in order, so that it is the same on any number of cores
        for (var axis = 0; axis < 2; axis++)
        {
            for (var i = 0; i < count; i++) gradient[axis][i] = 4 * (exaggeration * gradient[axis][i] - apart[axis][i] / all);
        }
    }

    /// <summary>What pulls a place, what pushes it before division by the sum of all weights, and the sum of its weights.</summary>
    private static (Vector2 Near, Vector2 Far, float Sum) Forces(float[] affinities, float[] xs, float[] ys, float x, float y)
    {
        var (nearX, nearY, farX, farY, sum) = (Vector<float>.Zero, Vector<float>.Zero, Vector<float>.Zero, Vector<float>.Zero, Vector<float>.Zero);
        var (vectorX, vectorY) = (new Vector<float>(x), new Vector<float>(y));
        ReadOnlySpan<Vector<float>> allX = MemoryMarshal.Cast<float, Vector<float>>(xs), allY = MemoryMarshal.Cast<float, Vector<float>>(ys);
        ReadOnlySpan<Vector<float>> all = MemoryMarshal.Cast<float, Vector<float>>(affinities);
        for (var j = 0; j < all.Length; j++)
        {
            var (right, down) = (vectorX - allX[j], vectorY - allY[j]);
            var weight = Vector<float>.One / (Vector<float>.One + right * right + down * down);
            var (pull, push) = (all[j] * weight, weight * weight);
            (nearX, nearY, farX, farY, sum) = (nearX + pull * right, nearY + pull * down, farX + push * right, farY + push * down, sum + weight);
        }
        var (near, far, total) = (new Vector2(Vector.Sum(nearX), Vector.Sum(nearY)), new Vector2(Vector.Sum(farX), Vector.Sum(farY)), Vector.Sum(sum));
        for (var j = all.Length * Vector<float>.Count; j < xs.Length; j++)
        {
            var away = new Vector2(x - xs[j], y - ys[j]);
            var weight = 1 / (1 + away.LengthSquared());
            (near, far, total) = (near + affinities[j] * weight * away, far + weight * weight * away, total + weight);
        }
        return (near, far, total);
    }

    /// <summary>Two numbers of each of N, each kind in a row.</summary>
    internal sealed class Plane
    {
        private readonly float[][] axes;

        public Plane(int count, float value = 0)
        {
            axes = [new float[count], new float[count]];
            foreach (var axis in axes) axis.AsSpan().Fill(value);
        }

        /// <summary>Takes (N, 2), brought to a deviation of 1e-4 along the first axis, at which the first rounds are not yet pulled apart.</summary>
        public Plane(ReadOnlySpan<float> places) : this(places.Length / 2)
        {
            for (var i = 0; i < places.Length; i++) axes[i % 2][i / 2] = places[i];
            var deviation = TensorPrimitives.StdDev<float>(axes[0]);
            if (!(deviation > 0)) throw new ArgumentException("The places to begin with are all one.", nameof(places));
            foreach (var axis in axes) TensorPrimitives.Multiply(axis, 1e-4f / deviation, axis);
        }

        public float[] this[int axis] => axes[axis];
    }
}
