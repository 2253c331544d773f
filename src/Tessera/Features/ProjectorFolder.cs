using System.Globalization;
using System.Text;
using Tessera.Embeddings;
using Tessera.Figures;
using Tessera.Imaging;

namespace Tessera.Features;

/// <summary>A folder that TensorBoard's projector shows: <c>tensorboard --logdir FOLDER</c>, or projector.tensorflow.org, which takes the first two files.</summary>
/// <remarks><c>vectors.tsv</c>, <c>metadata.tsv</c> (name and class), <c>sprite.png</c> and <c>projector_config.pbtxt</c>, as tensorboard/plugins/projector reads them.</remarks>
public static class ProjectorFolder
{
    private const string Vectors = "vectors.tsv", Metadata = "metadata.tsv", Sprite = "sprite.png";

    /// <summary>Writes the folder.</summary>
    /// <param name="folder">Made where it is missing; files of these names are replaced.</param>
    /// <param name="set">The vectors.</param>
    /// <param name="picture">A small picture of each, by its row.</param>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static void Write(string folder, VectorSet set, Func<int, RgbImage> picture)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(picture);
        if (set.Count == 0) throw new VectorException("There are no vectors to show.");
        Directory.CreateDirectory(folder);
        var hasClasses = set.Classes.Count > 0;
        var first = picture(0);
        var side = SpriteSheet.Side(set.Count, Math.Max(first.Width, first.Height));
        var sprite = SpriteSheet.Encode(set.Count, picture, side);
        var config = string.Create(CultureInfo.InvariantCulture, $$"""
            embeddings {
              tensor_name: "pictures"
              tensor_path: "{{Vectors}}"
              metadata_path: "{{Metadata}}"
              sprite {
                image_path: "{{Sprite}}"
                single_image_dim: {{side}}
                single_image_dim: {{side}}
              }
            }

            """);
        WholeFile.WriteTogether(
        [
            Table(Vectors, (line, row) => line.AppendJoin('\t', set.Vectors[row].ToArray().Select(v => v.ToString(CultureInfo.InvariantCulture)))),
            Table(Metadata, (line, row) => _ = hasClasses // a table of one column has no line of headings
                ? line.Append(Word(set.Names[row])).Append('\t').Append(Word(set.ClassOf(row) ?? "")) : line.Append(Word(set.Names[row])), hasClasses ? "name\tclass" : null),
            (Path.Combine(folder, Sprite), stream => stream.Write(sprite)),
            (Path.Combine(folder, "projector_config.pbtxt"), stream => stream.Write(Encoding.UTF8.GetBytes(config))),
        ]);

        (string, Action<FileStream>) Table(string name, Action<StringBuilder, int> write, string? headings = null)
        {
            return (Path.Combine(folder, name), Lines);

            void Lines(FileStream stream)
            {
                using var text = new StreamWriter(stream, leaveOpen: true) { NewLine = "\n" };
                if (headings is not null) text.WriteLine(headings);
                var line = new StringBuilder();
                for (var row = 0; row < set.Count; row++)
                {
                    write(line.Clear(), row);
                    text.WriteLine(line);
                }
            }
        }
    }

    /// <summary>The format knows no quotes: what parts columns and rows becomes a blank.</summary>
    private static string Word(string text) => text.Replace('\t', ' ').Replace('\n', ' ').Replace('\r', ' ');
}
