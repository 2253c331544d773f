using static TorchSharp.torch;

namespace Tessera.Benchmarking;

/// <summary>A matrix product as a linear layer makes it, into memory that is there already.</summary>
internal sealed class MatrixProduct : IDisposable
{
    private readonly Tensor left, weight, right, product;

    public MatrixProduct(MatrixShape shape, ScalarType type, Device device)
    {
        Shape = shape;
        left = randn(shape.Rows, shape.Inner, dtype: type, device: device).DetachFromDisposeScope();
        weight = randn(shape.Columns, shape.Inner, dtype: type, device: device).DetachFromDisposeScope();
        right = weight.t().DetachFromDisposeScope();
        product = zeros(shape.Rows, shape.Columns, dtype: type, device: device).DetachFromDisposeScope();
    }

    public MatrixShape Shape { get; }

    public void Run() => product.addmm_(left, right, beta: 0, alpha: 1);

    public void Dispose()
    {
        foreach (var tensor in new[] { left, weight, right, product }) tensor.Dispose();
    }
}
