using System.Text;

namespace Tessera.Weights;

/// <summary>Text out of a file, made fit to stand in an error message: in quotes, on one line, of bounded length.</summary>
internal static class Quoted
{
    private const int LongestShown = 100;

    public static string Of(string text)
    {
        var shown = new StringBuilder("'");
        foreach (var rune in text.EnumerateRunes())
        {
            if (shown.Length > LongestShown) return shown.Append("…'").ToString();
            if (Rune.IsControl(rune)) shown.Append($"\\u{rune.Value:x4}");
            else shown.Append(rune.ToString());
        }
        return shown.Append('\'').ToString();
    }

    public static string Shape(IEnumerable<long> shape) => $"[{string.Join(", ", shape)}]";
}
