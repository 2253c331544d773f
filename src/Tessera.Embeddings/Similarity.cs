using System.Numerics.Tensors;

namespace Tessera.Embeddings;

/// <summary>Cosines of one vector and many.</summary>
internal static class Similarity
{
    private const int Rows = 4096; // of a thread's piece

    /// <summary>A vector at length 1; zeros, where it has no direction.</summary>
    public static void Direction(ReadOnlySpan<float> vector, Span<float> direction)
    {
        var scale = NearestNeighbours.Scale(vector);
        if (scale == 0) direction.Clear();
        else TensorPrimitives.Multiply(vector, scale, direction);
    }

    /// <summary>Lowers each vector's distance, 1 less the cosine, to that to one of them, where that is nearer.</summary>
    public static void Approach(LabelledVectors vectors, int row, float[] distances)
    {
        var to = new float[vectors.Width];
        Direction(vectors[row], to);
        Parallel.For(0, (vectors.Count + Rows - 1) / Rows, piece =>
        {
            for (var i = piece * Rows; i < Math.Min((piece + 1) * Rows, vectors.Count); i++)
            {
                var cosine = TensorPrimitives.Dot(vectors[i], to) * NearestNeighbours.Scale(vectors[i]);
                if (!float.IsFinite(cosine)) cosine = 0;
                distances[i] = Math.Min(distances[i], i == row ? 0 : Math.Max(0, 1 - cosine));
            }
        });
    }
}
