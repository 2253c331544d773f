namespace Tessera.Embeddings;

/// <summary>Vectors of pictures with their labels, row by row in one piece of memory.</summary>
public sealed class LabelledVectors
{
    /// <summary>Takes vectors; the memory is this object's from now on.</summary>
    /// <param name="values">(N, D), row by row.</param>
    /// <param name="width">D.</param>
    /// <param name="labels">(N): a class from 0, or -1 where a picture has none.</param>
    /// <exception cref="ArgumentException">The sizes do not fit.</exception>
    public LabelledVectors(float[] values, int width, int[] labels)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        if (values.LongLength != (long)width * labels.Length)
            throw new ArgumentException($"{values.Length} values are not {labels.Length} vectors of {width}", nameof(values));
        (Values, Width, Labels) = (values, width, labels);
    }

    /// <summary>(N, D), row by row.</summary>
    public float[] Values { get; }

    /// <summary>D.</summary>
    public int Width { get; }

    /// <summary>(N): a class from 0, or -1 where a picture has none.</summary>
    public int[] Labels { get; }

    /// <summary>N.</summary>
    public int Count => Labels.Length;

    /// <summary>One vector, (D).</summary>
    public ReadOnlySpan<float> this[int index] => Values.AsSpan(index * Width, Width);
}
