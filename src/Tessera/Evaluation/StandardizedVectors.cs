using System.Runtime.InteropServices;
using Tessera.Embeddings;
using Tessera.Runtime;
using static TorchSharp.torch;

namespace Tessera.Evaluation;

/// <summary>Labelled vectors on a device, some thousand at a time, each number less its mean and by its deviation: a copy of all is never made.</summary>
/// <remarks>Vectors without a label are left out.</remarks>
internal sealed class StandardizedVectors : IDisposable
{
    private const int AtATime = 2048; // enough for fast products; with 3,072 numbers each they are 25 MB

    /// <summary>A deviation this small beside the mean is fp32's rounding of a number that is always the same.</summary>
    private const double Rounding = 1e-6;

    private readonly (LabelledVectors Vectors, int Index)[] chosen;
    private readonly WorkerThreads threads;
    private readonly Tensor mean, scale; // (D), fp32; the scale of a number that is always the same is 0

    private StandardizedVectors((LabelledVectors, int)[] chosen, Tensor mean, Tensor scale, WorkerThreads threads) =>
        (this.chosen, this.mean, this.scale, this.threads) = (chosen, mean.DetachFromDisposeScope(), scale.DetachFromDisposeScope(), threads);

    /// <summary>How many there are.</summary>
    public int Count => chosen.Length;

    /// <summary>D.</summary>
    public int Width => (int)mean.shape[0];

    /// <summary>Where they are computed with.</summary>
    public Device Device => mean.device;

    /// <summary>Standardises vectors by their own mean and deviation.</summary>
    /// <param name="device">Where they are computed with.</param>
    /// <param name="threads">Compute with them; they stay with the caller.</param>
    /// <param name="parts">At least one vector in all, of one width.</param>
    /// <exception cref="ArgumentException">One holds a number that is not finite.</exception>
    public static StandardizedVectors Of(Device device, WorkerThreads threads, params ReadOnlySpan<LabelledVectors> parts)
    {
        using var scope = NewDisposeScope();
        var width = parts[0].Width;
        using var raw = new StandardizedVectors(Chosen(parts), zeros(width, device: device), ones(width, device: device), threads);
        var mean = Mean((vectors, sums) => sums.PlusInPlace(vectors.sum([0], type: ScalarType.Float64)));
        var deviation = Mean((vectors, squares) =>
        {
            var difference = vectors.to(ScalarType.Float64).sub_(mean);
            squares.PlusInPlace(difference.mul_(difference).sum([0]));
        }).sqrt_();
        if (!deviation.isfinite().all().item<bool>()) throw new ArgumentException("The vectors hold numbers that are not finite.");
        var scale = where(deviation > mean.abs().Times(Rounding), deviation.reciprocal(), zeros_like(deviation));
        return new StandardizedVectors(raw.chosen, mean.to(ScalarType.Float32), scale.to(ScalarType.Float32), threads);

        Tensor Mean(Action<Tensor, Tensor> add) =>
            raw.Sum(() => [zeros(width, ScalarType.Float64, device)], (vectors, _, sums) => add(vectors, sums[0]))[0].Times(1.0 / raw.Count);
    }

    /// <summary>Other vectors on the scale of these.</summary>
    public StandardizedVectors Like(LabelledVectors others) => new(Chosen([others]), mean.alias(), scale.alias(), threads);

    /// <summary>A layer on these as one on the vectors that they were made of: W s (x - m) + b = (W s) x + (b - W s m).</summary>
    /// <param name="weights">(D + 1, K): the weights, and below them the bias</param>
    /// <returns>(K, D) row by row, and (K)</returns>
    public (float[] Weight, float[] Bias) ForRaw(Tensor weights)
    {
        using var scope = NewDisposeScope();
        var layer = weights.narrow(0, 0, Width).to(ScalarType.Float64) * scale.unsqueeze(1);             // (D, K)
        var bias = weights.select(0, Width).to(ScalarType.Float64) - mean.to(ScalarType.Float64).matmul(layer); // (K)
        return (Values(layer.t()), Values(bias));

        static float[] Values(Tensor tensor) => MemoryMarshal.Cast<byte, float>(tensor.to(ScalarType.Float32).cpu().contiguous().bytes).ToArray();
    }

    /// <summary>Adds up what is computed of all of them: each core takes its own, some at a time, and the cores meet at the end alone.</summary>
    /// <param name="zeros">Makes the sums; each core has its own.</param>
    /// <param name="add">Called with (B, D) fp32, (B, 1) int64 labels and the sums to add to. What it leaves in the dispose scope is freed.</param>
    /// <param name="cancellation">Ends the work early.</param>
    public Tensor[] Sum(Func<Tensor[]> zeros, Action<Tensor, Tensor, Tensor[]> add, CancellationToken cancellation = default)
    {
        var sums = Enumerable.Range(0, threads.Count).Select(_ => zeros()).ToArray();
        threads.Run(worker =>
        {
            using var outer = NewDisposeScope();
            Tensor values = empty(Math.Min(AtATime, Count), Width), labels = empty(values.shape[0], 1, ScalarType.Int64);
            for (var start = worker * AtATime; start < Count; start += threads.Count * AtATime)
            {
                cancellation.ThrowIfCancellationRequested();
                using var scope = NewDisposeScope();
                var count = Math.Min(AtATime, Count - start);
                Copy(start, count, values, labels);
                add(values.narrow(0, 0, count).to(Device).sub_(mean).mul_(scale), labels.narrow(0, 0, count).to(Device), sums[worker]);
            }
        });
        foreach (var more in sums[1..])
        {
            for (var i = 0; i < more.Length; i++)
            {
                sums[0][i].PlusInPlace(more[i]);
                more[i].Dispose();
            }
        }
        return sums[0];
    }

    /// <summary>Frees the scale.</summary>
    public void Dispose()
    {
        mean.Dispose();
        scale.Dispose();
    }

    private void Copy(int start, int count, Tensor values, Tensor labels)
    {
        var toValues = MemoryMarshal.Cast<byte, float>(values.bytes);
        var toLabels = MemoryMarshal.Cast<byte, long>(labels.bytes);
        for (var i = 0; i < count; i++)
        {
            var (vectors, index) = chosen[start + i];
            vectors[index].CopyTo(toValues[(i * Width)..]);
            toLabels[i] = vectors.Labels[index];
        }
    }

    private static (LabelledVectors, int)[] Chosen(ReadOnlySpan<LabelledVectors> parts)
    {
        var chosen = new List<(LabelledVectors, int)>();
        foreach (var vectors in parts)
        {
            for (var i = 0; i < vectors.Count; i++)
            {
                if (vectors.Labels[i] >= 0) chosen.Add((vectors, i));
            }
        }
        return [.. chosen];
    }
}
