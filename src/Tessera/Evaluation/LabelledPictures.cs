using Tessera.Imaging;

namespace Tessera.Evaluation;

/// <summary>The labelled pictures that an encoder is judged by: some to learn classes from, and others to recognise.</summary>
/// <param name="Known">Ascending indices: training pictures. No picture of a split that is measured on is among them.</param>
/// <param name="Asked">Ascending indices: those of the measured split.</param>
public sealed record LabelledPictures(int[] Known, int[] Asked)
{
    /// <summary>Takes both sides of a split, as far as they have labels.</summary>
    /// <param name="images">The pictures.</param>
    /// <param name="split">Which of them are to be recognised.</param>
    /// <param name="limit">A seeded, class-balanced subset of so many training pictures; null: all.</param>
    /// <param name="seed">Draws the split and the subset.</param>
    /// <exception cref="ImageSourceException">A side has no labelled pictures.</exception>
    public static LabelledPictures Of(ImageSet images, MeasuredSplit split, int? limit, ulong seed)
    {
        var sides = DataSplit.Of(images, limit, seed, holdOutDevelopment: split == MeasuredSplit.Development);
        return new LabelledPictures(Labelled("training", sides.Train), Labelled(ReportText.Word(split), sides.Pictures(split)));

        int[] Labelled(string side, int[] pictures)
        {
            int[] labelled = [.. pictures.Where(picture => images.Labels[picture] >= 0)];
            return labelled.Length > 0 ? labelled
                : throw new ImageSourceException($"The {side} pictures of {images.SourceLocation} have no labels, by which an encoder is judged: give pictures in one folder per class.");
        }
    }
}
