using Tessera.Embeddings;
using Tessera.Imaging;

namespace Tessera.Evaluation;

/// <summary>How many of a classifier's answers to labelled pictures are right.</summary>
/// <param name="Top1">How often the likeliest class is the picture's.</param>
/// <param name="Top5">How often it is among the five likeliest, or all where there are fewer.</param>
/// <param name="LookLikeNone">How many of these pictures are marked as looking like no class.</param>
/// <param name="Unknown">Classes of pictures that the classifier does not know; they are not counted above.</param>
public sealed record AnswerReport(Accuracy Top1, Accuracy Top5, int LookLikeNone, IReadOnlyList<UnknownClass> Unknown)
{
    /// <summary>The most classes that an answer needs to name for this.</summary>
    public const int Most = 5;

    /// <summary>Counts right answers. Classes are the same where their names are, in whatever order classifier and pictures have them.</summary>
    /// <param name="answers">Each names <see cref="Most"/> classes or more, or all.</param>
    /// <param name="images">The pictures.</param>
    /// <param name="pictures">Which of them were asked about, as many as answers.</param>
    /// <param name="classes">The classifier's.</param>
    /// <returns>Null where none of the pictures has a label.</returns>
    /// <exception cref="ArgumentException">There are other numbers of answers than of pictures, or they name too few classes.</exception>
    public static AnswerReport? Of(IReadOnlyList<Classification> answers, ImageSet images, ReadOnlySpan<int> pictures, ClassSet classes)
    {
        ArgumentNullException.ThrowIfNull(answers);
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(classes);
        if (answers.Count != pictures.Length) throw new ArgumentException($"{answers.Count} answers are not those to {pictures.Length} pictures.", nameof(answers));
        var known = classes.Names.ToHashSet(StringComparer.Ordinal);
        var unknown = new SortedDictionary<int, int>();
        var (first, five, asked, none) = (0, 0, 0, 0);
        for (var i = 0; i < pictures.Length; i++)
        {
            if (images.Labels[pictures[i]] is not (>= 0 and var label)) continue;
            if (!known.Contains(images.ClassNames[label]))
            {
                unknown[label] = unknown.GetValueOrDefault(label) + 1;
                continue;
            }
            var named = answers[i].Classes;
            if (named.Count < Math.Min(Most, classes.Names.Count)) throw new ArgumentException($"An answer names {named.Count} classes, and {Math.Min(Most, classes.Names.Count)} are needed.", nameof(answers));
            asked++;
            if (named[0].Name == images.ClassNames[label]) first++;
            if (named.Take(Most).Any(c => c.Name == images.ClassNames[label])) five++;
            if (answers[i].LooksLikeNone) none++;
        }
        return asked == 0 && unknown.Count == 0 ? null
            : new AnswerReport(new Accuracy(first, asked), new Accuracy(five, asked), none,
                [.. unknown.Select(u => new UnknownClass(images.ClassNames[u.Key], images.ClassTitles[u.Key], u.Value))]);
    }
}

/// <summary>A class of pictures that a classifier does not know.</summary>
/// <param name="Name">Its name in the pictures' source.</param>
/// <param name="Title">What people call it.</param>
/// <param name="Pictures">How many pictures of it were asked about.</param>
public sealed record UnknownClass(string Name, string Title, int Pictures);
