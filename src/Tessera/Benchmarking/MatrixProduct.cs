using static TorchSharp.torch;

namespace Tessera.Benchmarking;

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
