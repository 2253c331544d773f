using System.Globalization;
using SkiaSharp;

namespace Tessera.Figures;

/// <summary>The curves' names and last values at their right ends, moved apart where they would cover one another.</summary>
internal sealed class EndLabels
{
    private const float LeaderLength = 14, WidestName = 260;
    private readonly IReadOnlyList<Label> labels;

    private EndLabels(IReadOnlyList<Label> labels) => this.labels = labels;

    public static EndLabels Of(Panel panel, PanelScale scale)
    {
        var labels = new List<Label>();
        foreach (var (curve, colour) in CurveColours.Of(panel))
        {
            if (scale.Course(curve) is not [.., var last]) continue;
            var value = scale.Value(last.Y).ToString("G4", CultureInfo.InvariantCulture);
            labels.Add(new Label($"{curve.Name}  {value}", last.Y, colour.ToSKColor()));
        }
        return new EndLabels(labels);
    }

    /// <summary>What the widest label takes, in pixels.</summary>
    public float Width(FigureText text) => Math.Min(WidestName, labels.Max(label => text.Width(label.Text)));

    /// <param name="canvas">Drawn on.</param>
    /// <param name="text">Size and font.</param>
    /// <param name="left">The panel's right edge, where the lines end.</param>
    /// <param name="pixelOf">From a height in the panel's coordinates to pixels.</param>
    public void Draw(SKCanvas canvas, FigureText text, float left, Func<double, float> pixelOf)
    {
        var placed = labels.OrderByDescending(label => label.Height).Select(label => (Label: label, End: pixelOf(label.Height))).ToArray();
        var centres = MovedApart([.. placed.Select(one => one.End)], text.LineHeight);
        using var leader = new SKPaint { IsAntialias = true, StrokeWidth = 1, IsStroke = true };
        for (var index = 0; index < placed.Length; index++)
        {
            leader.Color = placed[index].Label.Colour.WithAlpha(0x90);
            canvas.DrawLine(left + 3, placed[index].End, left + LeaderLength, centres[index], leader);
            var shown = text.Shorten(placed[index].Label.Text, WidestName);
            text.DrawLeft(canvas, shown, left + LeaderLength + 4, centres[index] - text.LineHeight / 2f, placed[index].Label.Colour);
        }
    }

    /// <summary>Ascending places, at least <paramref name="distance"/> apart; a group that had to give way keeps its own middle.</summary>
    internal static float[] MovedApart(float[] places, float distance)
    {
        var groups = new List<(float Sum, int Count)>(); // the sum of where each group's first label would like to begin
        foreach (var place in places)
        {
            groups.Add((place, 1));
            while (groups.Count > 1 && First(groups[^2]) + groups[^2].Count * distance > First(groups[^1]))
            {
                var (upper, lower) = (groups[^2], groups[^1]);
                groups.RemoveRange(groups.Count - 2, 2);
                groups.Add((upper.Sum + lower.Sum - lower.Count * upper.Count * distance, upper.Count + lower.Count));
            }
        }
        return [.. groups.SelectMany(group => Enumerable.Range(0, group.Count).Select(index => First(group) + index * distance))];

        static float First((float Sum, int Count) group) => group.Sum / group.Count;
    }

    private sealed record Label(string Text, double Height, SKColor Colour);
}
