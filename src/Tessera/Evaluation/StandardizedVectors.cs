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
    private readonly Tensor mean, scale; // (D), fp32; the scale of a number that is always the same is 0

    private StandardizedVectors((LabelledVectors, int)[] chosen, Tensor mean, Tensor scale, Device device) =>
        (this.chosen, this.mean, this.scale, Device) = (chosen, mean, scale, device);

    /// <summary>How many there are.</summary>
    public int Count => chosen.Length;

    /// <summary>Where they are computed with.</summary>
    public Device Device { get; }

    /// <summary>D.</summary>
    public int Width => (int)mean.shape[0];

    /// <summary>Standardises vectors by their own mean and deviation.</summary>
    /// <param name="device">Where they are computed with.</param>
    /// <param name="parts">At least one vector in all, of one width.</param>
    /// <exception cref="ArgumentException">One holds a number that is not finite.</exception>
    public static StandardizedVectors Of(Device device, params ReadOnlySpan<LabelledVectors> parts)
    {
        using var scope = NewDisposeScope();
        var width = parts[0].Width;
        using var raw = new StandardizedVectors(Chosen(parts), zeros(width, device: device), ones(width, device: device), device);
        var (sums, squares) = (zeros(width, ScalarType.Float64, device), zeros(width, ScalarType.Float64, device));
        raw.ForEach((vectors, _) => sums.PlusInPlace(vectors.sum([0], type: ScalarType.Float64)));
        var mean = sums.Times(1.0 / raw.Count);
        raw.ForEach((vectors, _) =>
        {
            var difference = vectors.to(ScalarType.Float64).sub_(mean);
            squares.PlusInPlace(difference.mul_(difference).sum([0]));
        });
        var deviation = squares.Times(1.0 / raw.Count).sqrt();
        if (!deviation.isfinite().all().item<bool>()) throw new ArgumentException("The vectors hold numbers that are not finite.");
        var scale = where(deviation > mean.abs().Times(Rounding), deviation.reciprocal(), zeros_like(deviation));
        return new StandardizedVectors(raw.chosen, Kept(mean), Kept(scale), device);

        static Tensor Kept(Tensor values) => values.to(ScalarType.Float32).DetachFromDisposeScope();
    }

    /// <summary>Other vectors on the scale of these.</summary>
    public StandardizedVectors Like(LabelledVectors others) =>
        new(Chosen([others]), mean.alias().DetachFromDisposeScope(), scale.alias().DetachFromDisposeScope(), Device);

    /// <summary>Does work on all of them, some at a time; what it leaves in the dispose scope at hand is freed.</summary>
    /// <param name="work">Called with (B, D) fp32 and (B, 1) int64 labels, which are overwritten when it returns.</param>
    /// <param name="cancellation">Ends the work early.</param>
    public void ForEach(Action<Tensor, Tensor> work, CancellationToken cancellation = default)
    {
        using var outer = NewDisposeScope();
        using Tensor values = empty(Math.Min(AtATime, Count), Width), labels = empty(values.shape[0], 1, ScalarType.Int64);
        for (var start = 0; start < Count; start += AtATime)
        {
            cancellation.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            var part = chosen.AsSpan(start, Math.Min(AtATime, Count - start));
            var toValues = MemoryMarshal.Cast<byte, float>(values.bytes);
            var toLabels = MemoryMarshal.Cast<byte, long>(labels.bytes);
            for (var i = 0; i < part.Length; i++)
            {
                var (vectors, index) = part[i];
                vectors[index].CopyTo(toValues[(i * Width)..]);
                toLabels[i] = vectors.Labels[index];
            }
            var rows = values.narrow(0, 0, part.Length).to(Device);
            work(rows.sub_(mean).mul_(scale), labels.narrow(0, 0, part.Length).to(Device));
        }
    }

    /// <summary>Frees the scale.</summary>
    public void Dispose()
    {
        mean.Dispose();
        scale.Dispose();
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
