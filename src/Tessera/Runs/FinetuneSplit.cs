using System.Globalization;
using Tessera.Imaging;
using Tessera.Runtime;

namespace Tessera.Runs;

/// <summary>The labelled pictures of a fine-tuning.</summary>
/// <param name="Train">Ascending indices: what is trained on.</param>
/// <param name="Choice">Ascending indices: of the development split, where pictures are held out; else empty.</param>
/// <param name="Test">Ascending indices: the source's own test split, or what is held out in its place; empty where nothing can be spared.</param>
/// <param name="Counts">How many training pictures each class has.</param>
/// <param name="Unlabelled">Ascending indices: pictures without a label, which are left out.</param>
public sealed record FinetuneSplit(int[] Train, int[] Choice, int[] Test, IReadOnlyList<int> Counts, int[] Unlabelled)
{
    private const int Named = 3;
    private const double Uneven = 3; // the most frequent class over the rarest, from which on it is worth a word

    /// <summary>The classes' shares of the training pictures.</summary>
    public IReadOnlyList<double> Shares => [.. Counts.Select(c => (double)c / Train.Length)];

    /// <summary>The pictures that are looked at while the model is trained: those to choose by, else those to measure on.</summary>
    public int[] Watched => Choice.Length > 0 ? Choice : Test;

    /// <summary>What <see cref="Watched"/> are.</summary>
    public MeasuredSplit WatchedSplit => Choice.Length > 0 ? MeasuredSplit.Development : MeasuredSplit.HeldOut;

    /// <summary>Splits pictures as options say.</summary>
    /// <exception cref="OptionsException">They cannot be told apart: there are fewer than two classes, or one has too few pictures; every fault is named.</exception>
    public static FinetuneSplit Of(FinetuneOptions options, ImageSet images)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(images);
        var classes = images.ClassNames.Count;
        if (classes < 2) throw new OptionsException([Fault(images)]);
        var all = DataSplit.Of(images, limit: null, options.Seed);
        var few = ClassesOf(CountsOf(images, [.. all.Train, .. images.TestStart == images.Count ? all.HeldOut : []]), count => count < 2).ToList();
        if (few.Count > 0)
        {
            throw new OptionsException([$"{Words(images, few)} fewer than two pictures to learn from: add some, or take {(few.Count == 1 ? "its folder" : "their folders")} out"]);
        }
        var split = DataSplit.Of(images, options.Data.Limit, options.Seed, options.HoldOut);
        var hasOwnTest = images.TestStart < images.Count;
        var keepsAll = !options.HoldOut && !hasOwnTest && options.Data.Limit is null;
        var train = Labelled(keepsAll ? [.. split.Train.Concat(split.HeldOut).Order()] : split.Train);
        var counts = CountsOf(images, train);
        var lost = ClassesOf(counts, count => count == 0).ToList();
        if (lost.Count > 0)
            throw new OptionsException([$"{Words(images, lost)} no picture left to train on: {(options.Data.Limit is null ? "hold none out, or add some" : "raise the limit")}"]);
        return new FinetuneSplit(train, options.HoldOut ? Labelled(split.Development) : [], keepsAll ? [] : Labelled(split.HeldOut), counts,
            [.. Enumerable.Range(0, images.Count).Where(p => images.Labels[p] < 0)]);

        int[] Labelled(IEnumerable<int> pictures) => [.. pictures.Where(p => images.Labels[p] >= 0)];
    }

    /// <summary>What should be said of these pictures before they are trained on.</summary>
    public IEnumerable<string> Remarks(ImageSet images, bool isBalanced)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (Unlabelled.Length > 0)
        {
            var names = string.Join(", ", Unlabelled.Take(Named).Select(images.Name));
            yield return string.Create(CultureInfo.InvariantCulture, $"{Unlabelled.Length} {(Unlabelled.Length == 1 ? "picture has no label and is" : "pictures have no label and are")} left out: {names}{(Unlabelled.Length > Named ? ", …" : "")}");
        }
        var (rarest, most) = (Counts.ToList().IndexOf(Counts.Min()), Counts.ToList().IndexOf(Counts.Max()));
        if (!isBalanced && Counts[most] >= Uneven * Counts[rarest])
            yield return string.Create(CultureInfo.InvariantCulture, $"the classes are uneven, from {Counts[rarest]} pictures ({images.ClassNames[rarest]}, {100.0 * Counts[rarest] / Train.Length:0.##} %) to {Counts[most]} ({images.ClassNames[most]}, {100.0 * Counts[most] / Train.Length:0.##} %): rare ones will be recognised less often, unless they are balanced");
        if (Choice.Length == 0 && Test.Length == 0) yield return "no picture is kept out of training, for they are few: what the classifier is worth is not measured";
    }

    private static int[] CountsOf(ImageSet images, IEnumerable<int> pictures)
    {
        var counts = new int[images.ClassNames.Count];
        foreach (var picture in pictures)
        {
            if (images.Labels[picture] is >= 0 and var label) counts[label]++;
        }
        return counts;
    }

    private static IEnumerable<int> ClassesOf(int[] counts, Func<int, bool> chosen) => Enumerable.Range(0, counts.Length).Where(k => chosen(counts[k]));

    private static string Words(ImageSet images, List<int> classes)
    {
        var names = string.Join(", ", classes.Take(Named).Select(k => $"'{images.ClassNames[k]}'"));
        return classes.Count == 1 ? $"the class {names} has" : $"the classes {names}{(classes.Count > Named ? $" and {classes.Count - Named} more" : "")} have";
    }

    private static string Fault(ImageSet images) => images.ClassNames.Count == 0
        ? $"the pictures of {images.SourceLocation} have no labels: give pictures in one folder per class"
        : $"the pictures of {images.SourceLocation} are of one class, '{images.ClassNames[0]}': there is nothing to tell it from; give a folder for each class";
}
