using System.Globalization;
using Tessera.Embeddings;
using Tessera.Figures;
using Tessera.Imaging;

namespace Tessera.Evaluation;

/// <summary>Pictures, and beside each those that are most like it.</summary>
public static class NeighbourSheet
{
    /// <summary>Draws the sheet, a row for each picture.</summary>
    /// <param name="file">The PNG file to write.</param>
    /// <param name="images">Where was searched.</param>
    /// <param name="pictures">Which of them: the rows of what was found are places in this list.</param>
    /// <param name="results">What was found for each file.</param>
    /// <param name="shape">The size that the files are shown at: that at which they were encoded.</param>
    /// <exception cref="BrokenImageException">A file cannot be decoded.</exception>
    /// <exception cref="ImageAccessException">Its file is not there, or cannot be read.</exception>
    /// <exception cref="IOException">The sheet cannot be written.</exception>
    public static void Save(string file, ImageSet images, ReadOnlyMemory<int> pictures, IReadOnlyList<SearchResult> results, ImageShape shape)
    {
        var rows = results.Select(result => new GridRow(
            [Read(result.Query), .. result.Found.Select(found => RgbImage.Of(images, pictures.Span[found.Row]))], Path.GetFileName(result.Query))).ToList();
        var similar = results.Max(r => r.Found.Count);
        ImageGrid.Save(file, rows, ["asked for", .. Enumerable.Range(1, similar).Select(i => i.ToString(CultureInfo.InvariantCulture))], ImageGrid.ScaleFor(shape));

        RgbImage Read(string query)
        {
            var pixels = new byte[shape.Pixels];
            ImageDecoder.Decode(query, shape, pixels);
            return RgbImage.OfPlanar(shape, pixels);
        }
    }
}

/// <summary>What is most like a picture.</summary>
/// <param name="Query">The picture's file.</param>
/// <param name="Found">The nearest, the nearest first.</param>
public sealed record SearchResult(string Query, IReadOnlyList<Found> Found);
