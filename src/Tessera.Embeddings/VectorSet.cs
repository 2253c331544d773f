namespace Tessera.Embeddings;

/// <summary>Vectors of pictures with what tells them apart: names, labels, the classes' names, and what made them.</summary>
public sealed class VectorSet
{
    /// <summary>Puts vectors and words together.</summary>
    /// <param name="vectors">(N, D), and each picture's class or -1.</param>
    /// <param name="names">(N): a name each, such as a path within its folder.</param>
    /// <param name="classes">The classes' names, in the order of the labels; empty where there are none.</param>
    /// <param name="origin">What made them; null: not known.</param>
    /// <exception cref="ArgumentException">There are other numbers of names than of vectors, or a label is no class.</exception>
    public VectorSet(LabelledVectors vectors, IReadOnlyList<string> names, IReadOnlyList<string> classes, VectorOrigin? origin = null)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        ArgumentNullException.ThrowIfNull(names);
        ArgumentNullException.ThrowIfNull(classes);
        if (names.Count != vectors.Count) throw new ArgumentException($"{names.Count} names are not those of {vectors.Count} vectors.", nameof(names));
        var wrong = Array.FindIndex(vectors.Labels, label => label < -1 || label >= classes.Count);
        if (wrong >= 0) throw new ArgumentException($"The label of {names[wrong]} is {vectors.Labels[wrong]}, and there are {classes.Count} classes.", nameof(classes));
        (Vectors, Names, Classes, Origin) = (vectors, names, classes, origin);
    }

    /// <summary>(N, D), and each picture's class or -1.</summary>
    public LabelledVectors Vectors { get; }

    /// <summary>(N): a name each.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The classes' names, in the order of the labels; empty where there are none.</summary>
    public IReadOnlyList<string> Classes { get; }

    /// <summary>What made the vectors; null: not known.</summary>
    public VectorOrigin? Origin { get; }

    /// <summary>N.</summary>
    public int Count => Vectors.Count;

    /// <summary>D.</summary>
    public int Width => Vectors.Width;

    /// <summary>The name of a picture's class; null: it has none.</summary>
    public string? ClassOf(int index) => Vectors.Labels[index] is >= 0 and var label ? Classes[label] : null;

    /// <summary>Some of them, in that order.</summary>
    public VectorSet Take(IReadOnlyList<int> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        var (values, labels, names) = (new float[checked(rows.Count * Width)], new int[rows.Count], new string[rows.Count]);
        for (var i = 0; i < rows.Count; i++)
        {
            Vectors[rows[i]].CopyTo(values.AsSpan(i * Width));
            (labels[i], names[i]) = (Vectors.Labels[rows[i]], Names[rows[i]]);
        }
        return new VectorSet(new LabelledVectors(values, Width, labels), names, Classes, Origin);
    }

    /// <summary>These and others after them. Classes are one by their names.</summary>
    /// <exception cref="VectorException">The others are of another width, or another model made them.</exception>
    public VectorSet With(VectorSet others)
    {
        ArgumentNullException.ThrowIfNull(others);
        RequireComparable(others);
        var classes = Classes.ToList();
        var numbers = classes.Select((name, number) => (name, number)).ToDictionary(c => c.name, c => c.number, StringComparer.Ordinal);
        var theirs = new int[others.Classes.Count];
        for (var i = 0; i < theirs.Length; i++)
        {
            if (numbers.TryAdd(others.Classes[i], classes.Count)) classes.Add(others.Classes[i]);
            theirs[i] = numbers[others.Classes[i]];
        }
        float[] values = [.. Vectors.Values, .. others.Vectors.Values];
        int[] labels = [.. Vectors.Labels, .. others.Vectors.Labels.Select(label => label < 0 ? label : theirs[label])];
        return new VectorSet(new LabelledVectors(values, Width, labels), [.. Names, .. others.Names], classes, Origin ?? others.Origin);
    }

    /// <summary>Refuses vectors that say nothing beside these: of another width, or made by another model or in another way.</summary>
    /// <exception cref="VectorException">They are not comparable; the message says why.</exception>
    public void RequireComparable(VectorSet others)
    {
        ArgumentNullException.ThrowIfNull(others);
        if (others.Width != Width) throw new VectorException($"Vectors of {others.Width} values cannot be compared with vectors of {Width}: embed both with the same model.");
        if (Origin is null || others.Origin is null) return;
        if (Origin.Model != others.Origin.Model)
            throw new VectorException($"The vectors of {others.Origin.Source} were made by another model ({others.Origin.Model}) than those of {Origin.Source} ({Origin.Model}): embed both with the same one.");
        if (Origin.Pooling != others.Origin.Pooling)
            throw new VectorException($"The vectors of {others.Origin.Source} are '{others.Origin.Pooling}', those of {Origin.Source} '{Origin.Pooling}': embed both in the same way.");
    }
}

/// <summary>What made vectors.</summary>
/// <param name="Model">A fingerprint of the model: of its file's bytes.</param>
/// <param name="Pooling">What of the model's output a vector is, in words.</param>
/// <param name="Source">The pictures, in words.</param>
public sealed record VectorOrigin(string Model, string Pooling, string Source);

/// <summary>Vectors that cannot be used as they were to be, or a file that holds none. The message says why.</summary>
public sealed class VectorException(string message, Exception? inner = null) : Exception(message, inner);
