using Tessera.Embeddings;
using Tessera.Figures;
using Tessera.Imaging;

namespace Tessera.Evaluation;

/// <summary>The classes that are most confused, as a picture.</summary>
public static class ConfusionPicture
{
    /// <summary>Classes in the picture, at most.</summary>
    public const int MostClasses = 24;

    /// <summary>Draws them; null where none are confused.</summary>
    /// <param name="matrix">Which classes were answered for which.</param>
    /// <param name="images">The pictures, whose classes have names.</param>
    /// <returns>The bytes of a PNG file.</returns>
    public static byte[]? Encode(ConfusionMatrix matrix, ImageSet images)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        ArgumentNullException.ThrowIfNull(images);
        var chosen = matrix.MostConfused(MostClasses);
        return chosen.Count == 0 ? null : ConfusionFigure.Encode(matrix, chosen, [.. Enumerable.Range(0, matrix.Classes).Select(label => ReportText.Title(images, label))]);
    }
}
