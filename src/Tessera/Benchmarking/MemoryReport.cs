namespace Tessera.Benchmarking;

/// <summary>The process's memory in training, read before anything else is measured. Bytes.</summary>
/// <param name="Peak">The most that was ever resident, pages of mapped files included.</param>
/// <param name="Anonymous">
/// The most that was resident after a step and is no file's: what training itself holds. Null where the system does not tell.
/// </param>
/// <param name="Mapped">Pages of files that were resident then: the packed pictures', the libraries'. Null where the system does not tell.</param>
public sealed record MemoryReport(long Peak, long? Anonymous, long? Mapped);
