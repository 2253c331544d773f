namespace Tessera.Benchmarking;

/// <summary>The way of the data, images/s each.</summary>
/// <param name="FromFiles">Decoding encoded pictures on all cores, without packing.</param>
/// <param name="FilesAre">Which pictures those were, for people.</param>
/// <param name="Packing">Decoding them into a packed file that is then opened.</param>
/// <param name="FromPacked">Batches from a packed file (from the source itself where it is streamed), with crops and masks drawn and no training.</param>
/// <param name="EndToEnd">The same batches, each trained on.</param>
public sealed record LoaderReport(
    Measurement FromFiles, string FilesAre, Measurement Packing, Measurement FromPacked, Measurement EndToEnd);
