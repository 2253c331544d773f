using System.Globalization;
using System.Text.Json;
using nietras.SeparatedValues;
using Tessera.Figures;
using Tessera.Imaging;
using Tessera.Runtime;

namespace Tessera.Evaluation;

/// <summary>What was found in a source, as files: a list each as CSV, all as JSON, and sheets of pictures.</summary>
public static class CurationSheets
{
    /// <summary>Pictures in a row of a sheet.</summary>
    public const int Columns = 8;

    private const int MostRows = 20; // a sheet that one looks at

    /// <summary>Writes the files.</summary>
    /// <param name="folder">Made where it is missing; files of these names are replaced.</param>
    /// <param name="report">What was found.</param>
    /// <param name="images">Where the pictures are.</param>
    /// <param name="pictures">Which of them, in the report's order.</param>
    /// <returns>The files.</returns>
    /// <exception cref="IOException">One cannot be written.</exception>
    public static IReadOnlyList<string> Write(string folder, CurationReport report, ImageSet images, int[] pictures)
    {
        ArgumentNullException.ThrowIfNull(report);
        Directory.CreateDirectory(folder);
        var files = new List<string>();
        var titles = images.ClassNames.Select((name, label) => (name, Title: ReportText.Title(images, label))).ToDictionary(c => c.name, c => c.Title);
        Table("outliers.csv", ["name", "class", "distance"], report.Outliers.Select(o => Row(o.Picture, o.Distance)));
        Table("exact-duplicates.csv", ["group", "name", "class", "split", "similarity"], Rows(report.ExactDuplicates));
        Table("near-duplicates.csv", ["group", "name", "class", "split", "similarity"], Rows(report.NearDuplicates));
        Table("leaks.csv", ["group", "name", "class", "split", "similarity"], Rows(report.Leaks));
        Table("clusters.csv", ["cluster", "name", "class"], report.Clusters.SelectMany((cluster, number) => cluster.Select(p => new[] { Number(number), p.Name, p.Class ?? "" })));
        Table("to-label.csv", ["name", "class", "distance"], report.ToLabel.Select(o => Row(o.Picture, o.Distance)));
        if (report.HasLabels)
        {
            Table("suspected-labels.csv", ["name", "class", "suggested", "disagree", "neighbours", "own_share", "suggested_share", "score"],
                report.SuspectedLabels.Select(s => new[] { s.Picture.Name, s.Picture.Class!, s.Other, Number(s.Disagree), Number(s.Neighbours), Number(s.OwnShare), Number(s.OtherShare), Number(s.Score) }));
        }
        Put("curation.json", path => WholeFile.Write(path, JsonSerializer.Serialize(report, TesseraJson.Options)));

        Sheet("outliers.png", Lines(report.Outliers.Select(o => o.Picture)));
        Sheet("near-duplicates.png", report.NearDuplicates.Select(g => Line(g.Pictures, $"{Similarity(g.Similarity)}: {Names(g.Pictures)}")));
        Sheet("leaks.png", report.Leaks.Select(g => Line(g.Pictures, $"{Similarity(g.Similarity)}: {Names(g.Pictures)}")));
        Sheet("suspected-labels.png", report.SuspectedLabels.Select(s => Line([s.Picture, .. s.Nearest],
            $"{s.Picture.Name} is {titles[s.Picture.Class!]}, and {s.Disagree} of {s.Neighbours} neighbours are not; suggested: {titles[s.Other]}")));
        Sheet("clusters.png", report.Clusters.Select((cluster, number) => (cluster, number)).OrderByDescending(c => c.cluster.Count).ThenBy(c => c.number)
            .Select(c => Line(c.cluster, string.Create(CultureInfo.InvariantCulture, $"cluster {c.number}: {c.cluster.Count} pictures"))));
        Sheet("to-label.png", Lines(report.ToLabel.Select(o => o.Picture)));
        return files;

        void Put(string name, Action<string> write)
        {
            var path = Path.Combine(folder, name);
            WholeFile.Naming(path, () => write(path));
            files.Add(path);
        }

        void Table(string name, string[] headings, IEnumerable<string[]> rows) => Put(name, path => WholeFile.Write(path, stream =>
        {
            using var text = new StreamWriter(stream, leaveOpen: true) { NewLine = "\n" };
            using var csv = Sep.New(',').Writer(o => o with { Escape = true }).To(text, leaveOpen: true);
            foreach (var values in rows)
            {
                using var row = csv.NewRow();
                for (var i = 0; i < headings.Length; i++) row[headings[i]].Set(values[i]);
            }
        }));

        void Sheet(string name, IEnumerable<GridRow> rows)
        {
            if (rows.Take(MostRows).ToList() is { Count: > 0 } shown) Put(name, path => ImageGrid.Save(path, shown, [], ImageGrid.ScaleFor(images.Shape)));
        }

        GridRow Line(IEnumerable<CuratedPicture> entries, string? caption) => new([.. entries.Take(Columns).Select(p => RgbImage.Of(images, pictures[p.Row]))], caption);

        IEnumerable<GridRow> Lines(IEnumerable<CuratedPicture> entries) => entries.Chunk(Columns).Select(chunk => Line(chunk, null));
    }

    private static IEnumerable<string[]> Rows(IReadOnlyList<CuratedGroup> groups) => groups.SelectMany((group, number) =>
        group.Pictures.Select(p => new[] { Number(number), p.Name, p.Class ?? "", p.IsHeldOut ? "held-out" : "training", Number(group.Similarity) }));

    private static string[] Row(CuratedPicture picture, float distance) => [picture.Name, picture.Class ?? "", Number(distance)];

    private static string Names(IReadOnlyList<CuratedPicture> pictures) => string.Join(", ", pictures.Take(Columns).Select(p => p.IsHeldOut ? $"{p.Name} (held out)" : p.Name));

    private static string Similarity(double value) => value.ToString("f4", CultureInfo.InvariantCulture);

    private static string Number<T>(T value) where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);
}
