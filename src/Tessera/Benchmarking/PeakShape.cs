namespace Tessera.Benchmarking;

/// <summary>One shape of matrix product, (M, K) × (K, N), the second factor stored as a linear layer stores its weight.</summary>
/// <param name="Shape"><c>M×K×N</c></param>
/// <param name="Rate">FLOP/s, 2 M K N a product.</param>
public sealed record PeakShape(string Shape, Measurement Rate);
