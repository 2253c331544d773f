using Tessera.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Tessera.Benchmarking;

/// <summary>Finds what matrix products reach, and measures it again between the rounds of other work.</summary>
internal sealed class PeakRounds(RoundClock clock, Device device, BenchmarkOptions options, IReadOnlyList<MatrixShape> ofModel)
{
    private static readonly int[] SidesOnCpu = [1024, 2048], SidesOnGpu = [4096, 8192];
    private readonly Dictionary<ScalarType, MatrixShape> fastest = [];

    /// <summary>Tries every shape in every round, so that none is measured in a better minute than the others.</summary>
    public PeakReport Scan(ScalarType type, int rounds, Action<int> begins)
    {
        var sides = options.MatrixSides ?? (device.type == DeviceType.CUDA ? SidesOnGpu : SidesOnCpu);
        MatrixShape[] shapes = [.. sides.Select(s => new MatrixShape(s, s, s)).Concat(ofModel).Distinct()];
        var rates = shapes.ToDictionary(s => s, _ => new List<double>());
        var products = new List<MatrixProduct>();
        try
        {
            foreach (var shape in shapes) products.Add(Product(shape, type));
            for (var round = 1; round <= rounds; round++)
            {
                begins(round);
                foreach (var product in products) rates[product.Shape].Add(product.Rate());
            }
        }
        finally
        {
            products.ForEach(p => p.Dispose());
        }
        PeakShape[] found = [.. shapes.Select(s => new PeakShape(s.ToString(), Measurement.Of(rates[s])))];
        var best = Array.IndexOf(found, found.MaxBy(f => f.Rate.Median));
        fastest[type] = shapes[best];
        return new PeakReport(Name(type), found[best].Rate, found[best].Shape, found);
    }

    /// <summary>Rounds of work with a round of the fastest product before, between and after them.</summary>
    /// <param name="type">The products' number format.</param>
    /// <param name="rounds">Rounds of work.</param>
    /// <param name="work">One round; returns its rate in FLOP/s.</param>
    /// <returns>The work's rates, the products' (one more), and each round's rate over the mean of its two neighbours.</returns>
    public (double[] Rates, double[] Peaks, double[] Shares) Between(ScalarType type, int rounds, Func<int, double> work)
    {
        if (!fastest.ContainsKey(type)) Scan(type, 1, _ => { });
        using var product = Product(fastest[type], type);
        var (rates, peaks) = (new double[rounds], new double[rounds + 1]);
        peaks[0] = product.Rate();
        for (var i = 0; i < rounds; i++)
        {
            rates[i] = work(i + 1);
            peaks[i + 1] = product.Rate();
        }
        return (rates, peaks, [.. rates.Select((rate, i) => rate / ((peaks[i] + peaks[i + 1]) / 2))]);
    }

    private static string Name(ScalarType type) => type == ScalarType.BFloat16 ? "bf16" : "fp32";

    private MatrixProduct Product(MatrixShape shape, ScalarType type) => new(clock, shape, type, device, options.LimitSeconds);
}

/// <summary>A matrix product as a linear layer makes it, into memory that is there already, repeated for a while.</summary>
internal sealed class MatrixProduct : IDisposable
{
    private readonly RoundClock clock;
    private readonly double seconds;
    private readonly Tensor left, weight, right, product;
    private int calls; // a round; found when the first one begins

    /// <param name="clock">Times it.</param>
    /// <param name="shape">(M, K) × (K, N)</param>
    /// <param name="type">The number format of factors and product.</param>
    /// <param name="device">Where it happens.</param>
    /// <param name="seconds">How long a round lasts, about.</param>
    public MatrixProduct(RoundClock clock, MatrixShape shape, ScalarType type, Device device, double seconds)
    {
        (this.clock, Shape, this.seconds) = (clock, shape, seconds);
        left = randn(shape.Rows, shape.Inner, dtype: type, device: device).DetachFromDisposeScope();
        weight = randn(shape.Columns, shape.Inner, dtype: type, device: device).DetachFromDisposeScope();
        right = weight.t().DetachFromDisposeScope();
        product = zeros(shape.Rows, shape.Columns, dtype: type, device: device).DetachFromDisposeScope();
    }

    public MatrixShape Shape { get; }

    /// <summary>One round, FLOP/s.</summary>
    public double Rate()
    {
        if (calls == 0) calls = clock.CallsIn(seconds, Run);
        return calls * Shape.Flop / clock.Seconds(calls, Run);
    }

    public void Dispose()
    {
        foreach (var tensor in new[] { left, weight, right, product }) tensor.Dispose();
    }

    private void Run() => product.addmm_(left, right, beta: 0, alpha: 1);
}
