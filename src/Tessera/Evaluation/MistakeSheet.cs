using System.Globalization;
using Tessera.Figures;
using Tessera.Imaging;

namespace Tessera.Evaluation;

/// <summary>The pictures that a classifier was surest of and wrong about, each beside others of its label and of the answer: now and then it is the label that is wrong.</summary>
public static class MistakeSheet
{
    /// <summary>Pictures in the sheet, at most.</summary>
    public const int MostMistakes = 12;

    private const int Examples = 3;

    /// <summary>Draws them; null where there are no mistakes.</summary>
    /// <param name="mistakes">The surest first.</param>
    /// <param name="images">The pictures.</param>
    /// <param name="training">The pictures that the classes were learned from, of which examples are shown.</param>
    /// <returns>The bytes of a PNG file.</returns>
    public static byte[]? Encode(IReadOnlyList<Mistake> mistakes, ImageSet images, IReadOnlyList<int> training)
    {
        ArgumentNullException.ThrowIfNull(mistakes);
        ArgumentNullException.ThrowIfNull(images);
        if (mistakes.Count == 0) return null;
        var examples = training.ToLookup(picture => images.Labels[picture]);
        var rows = mistakes.Take(MostMistakes).Select(m => new GridRow(
            [Picture(m.Picture), .. Of(m.Label), .. Of(m.Answer)], string.Create(CultureInfo.InvariantCulture,
                $"{ReportText.Title(images, m.Label)} taken for {ReportText.Title(images, m.Answer)}, {100 * m.Probability:f0} %: {images.Name(m.Picture)}"))).ToList();
        string[] titles = ["taken wrongly", .. Enumerable.Repeat("of its label", Examples), .. Enumerable.Repeat("of the answer", Examples)];
        return ImageGrid.Encode(rows, titles, ImageGrid.ScaleFor(images.Shape));

        RgbImage Picture(int index) => RgbImage.Of(images, index);

        IEnumerable<RgbImage> Of(int label)
        {
            var shown = examples[label].Take(Examples).Select(Picture).ToList();
            return shown.Concat(Enumerable.Repeat(RgbImage.Blank(images.Shape), Examples - shown.Count)); // a class may have fewer
        }
    }
}
