namespace Tessera.Benchmarking;

/// <summary>What the figures were measured on.</summary>
/// <param name="Processor">The CPU's name.</param>
/// <param name="Cores">Logical cores that the process may use.</param>
/// <param name="Threads">Threads of libtorch's operations.</param>
/// <param name="Device">Where training runs: <c>cpu</c>, or a GPU's name.</param>
/// <param name="OperatingSystem">Name and version.</param>
/// <param name="Runtime">.NET's version.</param>
/// <param name="Tessera">Tessera's version.</param>
public sealed record SystemReport(
    string Processor, int Cores, int Threads, string Device, string OperatingSystem, string Runtime, string Tessera);
