using Tessera.Imaging;
using Tessera.Runtime;

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

/// <summary>Labelled pictures where something must be chosen before others are met.</summary>
/// <param name="Train">Ascending indices: training pictures, none of <paramref name="Choice"/> among them.</param>
/// <param name="Choice">Ascending indices: pictures of the development split, to choose by.</param>
/// <param name="Test">Ascending indices: held-out pictures; null where the figures are those that the choice was made by.</param>
public sealed record ChosenPictures(int[] Train, int[] Choice, int[]? Test)
{
    /// <summary>Takes the development split out of the training pictures, where it is not left out already.</summary>
    /// <param name="pictures">Both sides of the split.</param>
    /// <param name="images">The pictures.</param>
    /// <param name="split">The side that is measured.</param>
    /// <param name="seed">Draws the split.</param>
    /// <exception cref="OptionsException">A limit leaves no pictures to train on, or none to choose by.</exception>
    public static ChosenPictures Of(LabelledPictures pictures, ImageSet images, MeasuredSplit split, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(pictures);
        if (split == MeasuredSplit.Development) return new ChosenPictures(pictures.Known, pictures.Asked, null);
        var development = DataSplit.Of(images, limit: null, seed).Development.ToHashSet();
        var sides = pictures.Known.ToLookup(development.Contains);
        int[] train = [.. sides[false]], choice = [.. sides[true]];
        return train.Length > 0 && choice.Length > 0
            ? new ChosenPictures(train, choice, pictures.Asked)
            : throw new OptionsException([new OptionFault($"of {pictures.Known.Length} labelled training pictures {choice.Length} are of the development split: some must be, to choose by, and some not: take more pictures", "Data.Limit")]);
    }
}
