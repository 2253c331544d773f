namespace Tessera.Embeddings;

/// <summary>The classes that a classifier tells apart.</summary>
public record ClassSet
{
    /// <summary>The classes' names, in the classifier's order: folders' names, or WordNet ids.</summary>
    public required IReadOnlyList<string> Names { get; init; }

    /// <summary>What people call them, as many as names.</summary>
    public required IReadOnlyList<string> Titles { get; init; }

    /// <summary>When a picture looks like none of them; null where that was not measured.</summary>
    public Familiarity? Familiarity { get; init; }

    /// <summary>An answer in words.</summary>
    /// <param name="picture">The picture's name.</param>
    /// <param name="probabilities">(K), in the order of <see cref="Names"/></param>
    /// <param name="similarity">The cosine between what stands for the picture and the nearest class's mean; null where there are no means.</param>
    /// <param name="top">How many classes it names; all where there are no more.</param>
    /// <exception cref="ArgumentException">There are other numbers of probabilities than of classes, or no class is to be named.</exception>
    public Classification Answer(string picture, ReadOnlySpan<float> probabilities, float? similarity, int top)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(top, 1);
        if (probabilities.Length != Names.Count) throw new ArgumentException($"{probabilities.Length} probabilities are not those of {Names.Count} classes.", nameof(probabilities));
        var values = probabilities.ToArray();
        var classes = Enumerable.Range(0, values.Length).OrderByDescending(i => values[i]).Take(top) // a stable order: of equals the first
            .Select(i => new ClassProbability(Names[i], Titles[i], values[i])).ToList();
        return new Classification(picture, classes, Familiarity?.LooksLikeNone(classes[0].Probability, similarity) ?? false, similarity);
    }
}

/// <summary>When a picture looks like no class: where its best class is less likely than one threshold, or it is less like every class's mean than the other.</summary>
/// <param name="Confidence">The probability of the best class, 0 to 1.</param>
/// <param name="Similarity">The cosine between what stands for the picture and the nearest class's mean, -1 to 1.</param>
/// <param name="Share">The share of measured pictures that fall below each.</param>
/// <param name="Pictures">How many were measured.</param>
/// <param name="HeldOut">Whether they were held out of training.</param>
public sealed record Familiarity(double Confidence, double Similarity, double Share, int Pictures, bool HeldOut)
{
    /// <summary>Whether an answer falls below a threshold.</summary>
    /// <param name="confidence">The probability of its best class.</param>
    /// <param name="similarity">As <see cref="Similarity"/>; null: it is not known, and does not count.</param>
    public bool LooksLikeNone(double confidence, double? similarity) => confidence < Confidence || similarity < Similarity;
}

/// <summary>What a classifier says of a picture.</summary>
/// <param name="Picture">Its name.</param>
/// <param name="Classes">As many as were asked for, at least one, the likeliest first.</param>
/// <param name="LooksLikeNone">Whether it looks like no class at all; false where the classifier cannot tell.</param>
/// <param name="Similarity">The cosine between what stands for the picture and the nearest class's mean, -1 to 1; null where the classifier has no means.</param>
public sealed record Classification(string Picture, IReadOnlyList<ClassProbability> Classes, bool LooksLikeNone, double? Similarity);

/// <summary>A class that a picture may be of.</summary>
/// <param name="Name">The class's name, by which data sets know it.</param>
/// <param name="Title">What people call it.</param>
/// <param name="Probability">0 to 1; over all classes it sums to 1.</param>
public sealed record ClassProbability(string Name, string Title, double Probability);
