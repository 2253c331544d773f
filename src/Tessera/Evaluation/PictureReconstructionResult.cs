using Tessera.Imaging;

namespace Tessera.Evaluation;

/// <summary>What came of restoring some pictures.</summary>
/// <param name="File">The figure.</param>
/// <param name="Restored">Pictures in it.</param>
/// <param name="Broken">Pictures that could not be read.</param>
public sealed record PictureReconstructionResult(string File, int Restored, IReadOnlyList<BrokenImage> Broken);
