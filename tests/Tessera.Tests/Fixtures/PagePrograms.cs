using System.Text.RegularExpressions;
using SkiaSharp;
using Tessera.Tests.Weights;

namespace Tessera.Tests.Fixtures;

/// <summary>The C# programs of a page, compiled and run in processes of their own, in the page's order and in one folder with pictures.</summary>
internal sealed partial class PagePrograms : IDisposable
{
    private readonly ScratchFolder folder = new();

    /// <summary>Draws <c>cat.jpg</c>, <c>dog.jpg</c> and twelve PNG files in <c>pictures</c>, and makes a classifier, <c>classifier.safetensors</c>.</summary>
    public PagePrograms()
    {
        Draw("cat.jpg", 300, 200, 1);
        Draw("dog.jpg", 120, 340, 2);
        Directory.CreateDirectory(folder.File("pictures"));
        SmallClassifier.Save(folder.File("classifier.safetensors"));
        for (var i = 0; i < 12; i++) Draw($"pictures/{i:D2}.png", 40 + i, 60, i);
    }

    public void Dispose() => folder.Dispose();

    /// <summary>Runs them.</summary>
    /// <param name="page">A file beside the tests, or a path in full.</param>
    /// <returns>What each wrote.</returns>
    public IReadOnlyList<string> Run(string page) =>
        [.. Program().Matches(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, page))).Select((match, number) => Run(match.Groups[1].Value, number))];

    private string Run(string program, int number)
    {
        using var compiled = new CompiledProgram($"page-{number}", program);
        return compiled.Run(folder.Path);
    }

    private void Draw(string name, int width, int height, int seed) =>
        DrawnPicture.Write(folder.File(name), width, height, (x, y) => new SKColor((byte)(seed * (y * width + x)), (byte)y, (byte)(7 * seed)));

    [GeneratedRegex("^```csharp\n(.*?)^```", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Program();
}
