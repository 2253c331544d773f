using Tessera.Embeddings;
using Tessera.Features;
using Tessera.Figures;

namespace Tessera.Evaluation;

/// <summary>A map of pictures: those that an encoder finds alike lie together.</summary>
public static class PictureMap
{
    /// <summary>Lays out vectors in the plane.</summary>
    /// <param name="vectors">The vectors, at least two.</param>
    /// <param name="layout">How.</param>
    /// <param name="progress">Told the share of the work that is done, in thousandths.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>(N, 2), row by row</returns>
    /// <exception cref="OperationCanceledException">It was ended early.</exception>
    public static float[] Place(LabelledVectors vectors, MapLayout layout, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(vectors);
        var components = PrincipalComponents.Of(vectors, 2);
        return layout == MapLayout.Components ? components : Tsne.Map(vectors, components, progress: progress, cancellation: cancellation);
    }

    /// <summary>Draws pictures at their places.</summary>
    /// <param name="file">The PNG file to write.</param>
    /// <param name="places">(N, 2), row by row, of any scale.</param>
    /// <param name="picture">Gives a picture by its row.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public static void Save(string file, float[] places, Func<int, RgbImage> picture) => PngFile.Save(file, ScatteredPictures.Encode(places, picture));
}

/// <summary>How a map is laid out.</summary>
public enum MapLayout
{
    /// <summary>By t-SNE: neighbours stay together.</summary>
    Tsne,

    /// <summary>By the first two principal components: distances mean something, and little is apart.</summary>
    Components,
}
